"""Batch normalization over micro-batches: moving moments change once per mini-batch."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from trainers.strategies.pipeline.part import PartRun
from trainers.strategies.pipeline.program import PartProgram


class _Norm(NamedTuple):
    mean: int
    variance: int
    momentum: float


class Moments:
    """The moving moments of one part's batch norms.

    A batch norm normalizes with its micro-batch's moments; the moving ones take in
    those of the whole mini-batch, pooled, once (arXiv 1811.06965, section 2.2).
    They start each micro-batch at zero, so what a Keras layer leaves there is ``1 -
    momentum`` times the micro-batch's own moment.
    """

    def __init__(self, program: PartProgram) -> None:
        """Finds the batch norms of a part whose moving moments change."""
        self._states = program.states
        place = {id(variable): i for i, variable in enumerate(program.states)}
        self._norms = [
            _Norm(
                place[id(layer.moving_mean)],
                place[id(layer.moving_variance)],
                layer.momentum,
            )
            for layer in program.layers
            if isinstance(layer, keras.layers.BatchNormalization)
            and layer.trainable
            and layer.momentum < 1
        ]
        self.positions = tuple(i for norm in self._norms for i in norm[:2])
        """Where they are among the part's states."""

    def pooled(
        self, runs: Sequence[PartRun], sizes: Sequence[Sequence[int]]
    ) -> list[tuple[keras.Variable, tf.Tensor]]:
        """The moving moments after a mini-batch.

        Args:
          runs: of the part's replicas.
          sizes: [micro-batches][replicas], rows of each.
        """
        result = []
        for number, norm in enumerate(self._norms):
            # Where the part is: a batch norm has many small tensors to send.
            with tf.device(runs[0].fresh_states[0][2 * number].device):
                pooled = _pooled(number, norm.momentum, runs, sizes)
                for position, moment in zip(norm[:2], pooled, strict=True):
                    variable = self._states[position]
                    before = tf.convert_to_tensor(variable)
                    after = norm.momentum * before + (1 - norm.momentum) * moment
                    result.append((variable, after))
        return result


def _pooled(
    number: int,
    momentum: float,
    runs: Sequence[PartRun],
    sizes: Sequence[Sequence[int]],
) -> tuple[tf.Tensor, tf.Tensor]:
    """One batch norm's mean and variance over all micro-batches and replicas."""
    rows = float(sum(map(sum, sizes)))
    means, squares = [], []
    for m, row in enumerate(sizes):
        for run, size in zip(runs, row, strict=True):
            kept = run.fresh_states[m][2 * number : 2 * number + 2]
            mean, variance = (each / (1 - momentum) for each in kept)
            means.append(size / rows * mean)
            squares.append(size / rows * (variance + mean**2))
    mean = tf.add_n(means)
    return mean, tf.add_n(squares) - mean**2
