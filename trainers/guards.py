"""Checks between chunks of steps that stop a run before it wastes time or weights."""

import math
from collections.abc import Mapping
from typing import Protocol

from tfmodels.errors import DataError
from tfmodels.errors import Diverged
from trainers.experiment import Experiment
from trainers.interfaces import Summary
from trainers.interfaces import Totals


class Guard(Protocol):
    """Looks at what happened in the last steps and raises when training must stop."""

    def __call__(self, step: int, summary: Summary) -> None:
        """Raises a `UserError` with the reason and the key to change."""


class FiniteUpdates:
    """Stops when more updates than allowed in a row were not finite."""

    def __init__(self, allowed: int) -> None:
        """`allowed` updates in a row may be left out."""
        self._allowed = allowed
        self._in_a_row = 0

    def __call__(self, step: int, summary: Summary) -> None:
        """Counts; a chunk with any finite update starts the count again.

        Raises:
          Diverged: too many.
        """
        whole_chunk = summary.skipped == summary.steps
        self._in_a_row = self._in_a_row * whole_chunk + summary.skipped
        if self._in_a_row > self._allowed:
            raise Diverged(
                f"The loss or its gradient was not finite in {self._in_a_row} of the"
                f" updates up to step {step}. Expected at most {self._allowed} in a row"
                " (run.max_skipped_updates). The last checkpoint is from before"
                " them and kept. Lower optimizer.learning_rate or set"
                " optimizer.clip_global_norm and train in another --workdir; or mend"
                " the data and run the same command again to resume."
            )


class LossBound:
    """Stops when the mean loss of a chunk exceeds a bound."""

    def __init__(self, bound: float) -> None:
        """`bound` is the largest mean loss."""
        self._bound = bound

    def __call__(self, step: int, summary: Summary) -> None:
        """Compares the mean loss with the bound.

        Raises:
          Diverged: it is larger.
        """
        total, weight = summary.totals["loss"]
        if weight and math.isfinite(total) and total / weight > self._bound:
            raise Diverged(
                f"The loss was {total / weight:.4g} at step {step}. Expected at most"
                f" {self._bound:.4g} (run.loss_bound). Lower optimizer.learning_rate or"
                " raise the bound, and train in another --workdir. The last checkpoint"
                " is kept."
            )


def check_alive(step: int, diagnostics: Mapping[str, float], max_dead: float) -> None:
    """Compares the share of dead channels, where a task reports it, with a bound.

    Raises:
      Diverged: it is larger.
    """
    dead = diagnostics.get("dead_channels", 0.0)
    if dead > max_dead:
        raise Diverged(
            f"The network has collapsed: {dead:.2%} of the channels that feed its"
            f" output were zero on a training batch at step {step}. Expected at most"
            f" {max_dead:.2%} (run.max_dead_channels). Channels seldom come back to"
            " life: lower the scales of residual branches (arXiv 1602.07261, section"
            " 3.3) or optimizer.learning_rate, and train in another --workdir. Earlier"
            " checkpoints are kept."
        )


class BadExamples:
    """Stops when too large a share of the examples read so far was unreadable."""

    # A few examples are no sample of a data set: one early loss must not end a run.
    _MIN_READ = 1000

    def __init__(self, max_fraction: float) -> None:
        """`max_fraction` of the examples may be unreadable."""
        self._max_fraction = max_fraction
        self._bad = 0.0
        self._read = 0.0

    def __call__(self, step: int, summary: Summary) -> None:
        """Adds up ``bad_examples`` and compares the share with the limit.

        Raises:
          DataError: it is larger.
        """
        bad, read = summary.totals.get("bad_examples", (0.0, 0.0))
        self._bad += bad
        self._read += read
        if self._bad > self._max_fraction * max(self._read, self._MIN_READ):
            raise DataError(
                f"{self._bad:.0f} of the {self._read:.0f} examples read up to step"
                f" {step} could not be decoded. Expected at most"
                f" {self._max_fraction:.2%} (data.max_bad_fraction). Run 'tfmodels data"
                " check' to list them."
            )


def check_readable(split: str, totals: Totals, max_fraction: float) -> None:
    """Compares the unreadable share of a whole split with the limit.

    Raises:
      DataError: it is larger: the figures would be those of another split.
    """
    bad, read = (float(value) for value in totals.get("bad_examples", (0.0, 0.0)))
    if bad > max_fraction * read:
        raise DataError(
            f"{bad:.0f} of the {read:.0f} examples of the split {split!r} could not be"
            f" decoded. Expected at most {max_fraction:.2%} (data.max_bad_fraction)."
            " Nothing that has been saved is lost. Run 'tfmodels data check' to list"
            " them, mend them, and run the same command again."
        )


def make_guards(experiment: Experiment) -> list[Guard]:
    """The guards that a configuration asks for."""
    run = experiment.run
    guards: list[Guard] = [
        FiniteUpdates(run.skippable_updates),
        BadExamples(experiment.data.max_bad_fraction),
    ]
    if run.loss_bound is not None:
        guards.append(LossBound(run.loss_bound))
    return guards
