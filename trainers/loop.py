"""The training loop: run some steps, look at them, act at intervals, go on.

The way of a batch: ``data/`` yields it, ``tasks/`` runs the model on it,
``objectives/`` turn outputs into (sum, weight), ``strategies/`` run that on many
replicas, reduce, and update the weights. This file calls ``Trainable.run`` in chunks
and acts between them.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tfmodels.errors import Preempted
from trainers.guards import Guard
from trainers.interfaces import Stage
from trainers.interfaces import Summary
from trainers.interfaces import Trainable


class Action(Protocol):
    """Something done between steps: log, evaluate, save, draw."""

    def next_step(self, step: int) -> int | None:
        """The next step after `step` at which the action must be called, if any.

        The loop ends a chunk there; it calls the action after every other chunk too.
        """

    def __call__(self, step: int, summary: Summary) -> None:
        """Looks at the chunk that ended at `step`, and acts if the time has come."""


def every(interval: int, step: int) -> int:
    """The next multiple of `interval` after `step`."""
    return (step // interval + 1) * interval


@dataclass(frozen=True)
class Loop:
    """One stage's loop over chunks of steps."""

    trainable: Trainable
    stage: Stage
    guards: Sequence[Guard]
    actions: Sequence[Action]
    save: Callable[[int], object]
    """Writes a checkpoint of the given step."""
    stop_requested: Callable[[], bool]
    announce: Callable[[int], object] = lambda step: None
    """Tells the model how many steps have been made, before each chunk."""

    def run(self, step: int) -> int:
        """Trains from `step` to the end of the stage, and returns that step.

        Raises:
          Preempted: a stop was requested; the last step done has been saved.
          Diverged, DataError: a guard stopped the run.
        """
        while step < self.stage.end:
            chunk = self._chunk_end(step) - step
            self.announce(step)
            summary = self.trainable.run(chunk)
            step += chunk
            for guard in self.guards:
                guard(step, summary)
            for action in self.actions:
                action(step, summary)
            if step < self.stage.end and self.stop_requested():
                self.save(step)
                raise Preempted(
                    f"Stopped on request after step {step}, which is saved. Run the"
                    " same command again to resume."
                )
        return step

    def _chunk_end(self, step: int) -> int:
        ends = [action.next_step(step) for action in self.actions]
        return min([self.stage.end, *(end for end in ends if end is not None)])
