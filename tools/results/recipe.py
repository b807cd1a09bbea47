"""A tiny configuration and what it must reach, as RESULTS records it."""

from typing import Literal
from typing import NamedTuple

SEEDS = (0, 1, 2)
"""Origins of runs, unless a recipe has its own."""


class Recipe(NamedTuple):
    """A tiny configuration and what it must reach with every seed."""

    config: str
    metric: str
    """Of the figures of a run, the one that is asked for."""
    bound: float
    baseline: str
    """What answers without learning anything, and what other methods reach."""
    overrides: tuple[str, ...] = ()
    """Settings that differ from the configuration's, ``key=value``."""
    seeds: tuple[int, ...] = SEEDS
    processes: int = 0
    """Workers, and as many parameter servers, on this machine; 0: all in one."""
    asks: Literal["at least", "at most"] = "at least"
    figures: str = "integer_export"
    """What is taken of a run: a name in `tools.results.figures.FIGURES`."""
    prepare: tuple[str, ...] = ()
    """What a user would type after ``tfmodels`` before, to make the data."""

    @property
    def name(self) -> str:
        """The configuration and what differs from it."""
        changes = [override.removeprefix("strategy.") for override in self.overrides]
        return " ".join([self.config, *changes])

    def command(self, workdir: str, seed: int) -> list[str]:
        """What a user would type after ``tfmodels``."""
        settings = [f"run.seed={seed}", *self.overrides]
        options = [part for setting in settings for part in ("--set", setting)]
        if not self.processes:
            return ["train", self.config, "--workdir", workdir, *options]
        count = str(self.processes)
        jobs = ["--workers", count, "--parameter-servers", count]
        return ["launch", "local", self.config, "--workdir", workdir, *jobs, *options]
