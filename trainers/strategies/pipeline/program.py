"""What one part computes: its forward pass, as a function of tensors alone."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf

from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Totals
from trainers.strategies.pipeline.sequence import Part

Finish = Callable[[Outputs, Batch, bool], tuple[tf.Tensor, Totals]]
"""From outputs, batch and whether in training to what is differentiated, float32 [],
and the totals of loss and metrics."""


class Forward(NamedTuple):
    """What a part makes of a micro-batch."""

    writes: list[tf.Tensor]
    """The tensors that other parts read; of the last part, the loss to differentiate
    besides."""
    states: list[tf.Tensor]
    """Random and other states after it; moments of this micro-batch, scaled."""
    totals: Totals
    """Loss and metrics, of the last part only."""


class PartProgram:
    """The forward pass of one part, traced once for each shape of micro-batch.

    It takes variables as tensors and returns the states it changes, so that a second
    run from the same states gives the same result bit for bit, dropout included.
    """

    def __init__(
        self,
        part: Part,
        outputs: Mapping[str, int] | None = None,
        finish: Finish | None = None,
        *,
        nested: bool = True,
        xla: bool = False,
    ) -> None:
        """Takes a part of the model.

        Args:
          part: what it holds.
          outputs: of the last part, the numbers of all outputs by name.
          finish: of the last part.
          nested: a call of one traced function, in place of its operations each time.
          xla: compile it.
        """
        self._model = part.model
        self._own_reads = len(part.reads)
        self._outputs = dict(outputs or {})
        self._finish = finish
        others = [n for n in self._outputs.values() if n not in part.writes]
        self.reads = tuple(dict.fromkeys([*part.reads, *others]))
        """Numbers of the tensors it takes; of the last part, all outputs too."""
        self.writes = part.writes
        """Numbers of the tensors it makes for others."""
        self.weights: list[keras.Variable] = part.model.trainable_variables
        self.states: list[keras.Variable] = part.model.non_trainable_variables
        self.layers: list[keras.layers.Layer] = part.model._flatten_layers()
        # Inlined, every call would be optimized again: minutes at the first step.
        traced = tf.function(
            self._forward,
            autograph=False,
            jit_compile=xla or None,
            experimental_attributes={"_noinline": True},
        )
        self.run = traced if nested else self._forward
        """See `_forward`."""

    def _forward(
        self,
        weights: Sequence[tf.Tensor],
        states: Sequence[tf.Tensor],
        reads: Sequence[tf.Tensor],
        batch: Batch,
        training: bool,
    ) -> Forward:
        made, after = self._model.stateless_call(
            weights, states, list(reads[: self._own_reads]), training=training
        )
        writes = [made[str(number)] for number in self.writes]
        if self._finish is None:
            return Forward(writes, after, {})
        values: dict[int, Any] = dict(zip(self.reads, reads, strict=True))
        values |= dict(zip(self.writes, writes, strict=True))
        outputs = {name: values[number] for name, number in self._outputs.items()}
        loss, totals = self._finish(outputs, batch, training)
        return Forward([*writes, loss], after, totals)
