"""The errors a user can cause, each with the exit code of the command line."""


class UserError(Exception):
    """Something outside the program is wrong; the message says how to mend it."""

    exit_code = 1


class CheckFailed(UserError):
    """A verification compared two things and found them further apart than allowed."""

    exit_code = 1


class ConfigError(UserError, ValueError):
    """A configuration, override or command-line argument is wrong."""

    exit_code = 2


class DataError(UserError):
    """Data, a checkpoint or an artefact is missing, damaged or of the wrong kind."""

    exit_code = 3


class Diverged(UserError):
    """Training met a loss or gradient that is not finite, or that exceeds its bound."""

    exit_code = 4


class ProcessLost(UserError):
    """Another process of a cluster has ended, so that this one cannot go on."""

    exit_code = 1


class Preempted(UserError):
    """The process was asked to stop; a checkpoint was saved and the run can resume."""

    exit_code = 42
