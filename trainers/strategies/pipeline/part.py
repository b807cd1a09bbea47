"""A part in one mini-batch: its forward and backward passes, and what they keep."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainers.interfaces import Batch
from trainers.interfaces import Totals
from trainers.strategies.pipeline.postponing import postpone
from trainers.strategies.pipeline.postponing import recorded_operations
from trainers.strategies.pipeline.program import Forward
from trainers.strategies.pipeline.program import PartProgram


class PartRun:
    """A part on one replica, while the micro-batches of a mini-batch pass through it.

    Args:
      program: what the part computes.
      read: reads its weights.
      states: its states at the start of the mini-batch.
      fresh: positions of the states that are zero at the start of every micro-batch:
        the moments of batch norms.
      trained: positions of the weights that get a gradient; None when evaluating.
    """

    def __init__(
        self,
        program: PartProgram,
        read: Callable[[], list[tf.Tensor]],
        states: Sequence[tf.Tensor],
        fresh: Sequence[int] = (),
        trained: Sequence[int] | None = None,
    ) -> None:
        self._program = program
        self._read = read
        self.states = list(states)
        """States after the last forward pass."""
        self._fresh = fresh
        self._trained = trained
        self._arguments: dict[int, Any] = {}
        self._kept: dict[int, Any] = {}
        self._found: dict[int, Any] = {}
        self.fresh_states: dict[int, list[tf.Tensor]] = {}
        """The states `fresh` after each micro-batch."""
        self.gradients: list[tf.Tensor] = []
        """Sums over micro-batches, of the trained weights."""
        self.totals: list[Totals] = []
        """Of every micro-batch, of the last part only."""

    def forward(
        self, m: int, reads: Sequence[tf.Tensor], batch: Batch, keep: bool
    ) -> list[tf.Tensor]:
        """Computes what the part writes.

        Args:
          m: number of the micro-batch.
          reads: what the part reads.
          batch: the micro-batch, of the last part only.
          keep: keep all that the gradient needs, or else only these arguments.
        """
        for position in self._fresh:
            self.states[position] = tf.zeros_like(self.states[position])
        self._arguments[m] = (self.states, list(reads), batch)
        result = self._record(m) if keep else self._call(self._read(), m)
        self.states = list(result.states)
        self.fresh_states[m] = [result.states[i] for i in self._fresh]
        if result.totals:
            self.totals.append(result.totals)
        return result.writes

    def again(self, m: int) -> list[tf.Tensor]:
        """Does a forward pass again from its arguments, to keep all this time."""
        return self._record(m).writes

    def backward(
        self, m: int, cotangents: Sequence[tf.Tensor | None]
    ) -> list[tf.Tensor | None]:
        """Returns the gradients of the tensors that the part reads.

        Those of the weights are there for `add_gradients` or `postponed_gradients`.

        Args:
          m: number of the micro-batch.
          cotangents: gradients of what it writes; None where nothing depends on it.
        """
        del self._arguments[m]
        tape, trained, reads, writes = self._kept.pop(m)
        targets = [
            (write, cotangent)
            for write, cotangent in zip(writes, cotangents, strict=True)
            if cotangent is not None
        ]
        with recorded_operations() as operations:
            found = tape.gradient(
                [write for write, _ in targets],
                [*reads, *trained],
                output_gradients=[cotangent for _, cotangent in targets],
            )
        inputs = found[: len(reads)]
        weights = [
            tf.zeros_like(weight)
            if gradient is None
            else tf.convert_to_tensor(gradient)
            for weight, gradient in zip(trained, found[len(reads) :], strict=True)
        ]
        self._found[m] = inputs, weights, operations
        return inputs

    def add_gradients(self, m: int) -> list[tf.Tensor]:
        """Adds those of a micro-batch to the sums, and returns these."""
        _, gradients, _ = self._found.pop(m)
        if self.gradients:
            gradients = [a + b for a, b in zip(self.gradients, gradients, strict=True)]
        self.gradients = gradients
        return gradients

    def postponed_gradients(self, m: int) -> list[tf.Tensor]:
        """The same, in a task of its own after all that the surroundings wait for."""
        inputs, gradients, operations = self._found[m]
        postpone(operations, inputs, gradients)
        return self.add_gradients(m)

    def _record(self, m: int) -> Forward:
        weights = self._read()
        trained = [weights[i] for i in self._trained or ()]
        reads = self._arguments[m][1]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*trained, *(read for read in reads if read.dtype.is_floating)])
            result = self._call(weights, m)
        self._kept[m] = (tape, trained, reads, result.writes)
        return result

    def _call(self, weights: list[tf.Tensor], m: int) -> Forward:
        states, reads, batch = self._arguments[m]
        training = self._trained is not None
        return self._program.run(weights, states, reads, batch, training)
