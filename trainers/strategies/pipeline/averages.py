"""Averages of the weights of all pipeline devices as one."""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from typing import Any

from trainers.optimizers.averages import WeightAverage
from trainers.strategies.pipeline.placement import Placement


class PipelineAverage:
    """The averages of every device, which lie beside its variables.

    Args:
      placement: the devices.
      averages: one per pipeline device, made in its scope.
    """

    def __init__(self, placement: Placement, averages: Sequence[WeightAverage]) -> None:
        self._placement = placement
        self._averages = averages
        self.state = {k: v for each in averages for k, v in each.state.items()}
        """The averages by path of their variable, for checkpoints."""

    def update(self, step: Any) -> None:
        """Takes in the weights after step `step` of the run, int64 []."""
        for device, average in enumerate(self._averages):
            with self._placement.scope(device):
                average.update(step)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The model has the averaged weights inside, its own again afterwards."""
        with ExitStack() as stack:
            for average in self._averages:
                stack.enter_context(average.swapped())
            yield
