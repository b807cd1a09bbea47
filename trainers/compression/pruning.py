"""Weights of small magnitude become 0 as a stage goes on, and stay 0."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.compression.pruning import largest
from tfmodels.compression.pruning import polynomial_sparsity
from tfmodels.compression.pruning import sparsity
from tfmodels.errors import ConfigError
from trainers.compression.config import PruningConfig
from trainers.compression.interfaces import Compression
from trainers.compression.interfaces import Learn
from trainers.compression.interfaces import Trained
from trainers.compression.kernels import Kernel
from trainers.compression.kernels import chosen_kernels
from trainers.compression.kernels import set_zeros
from trainers.compression.kernels import zeros
from trainers.durations import to_steps


class Pruning(Compression):
    """Prunes by magnitude, on the schedule of Zhu and Gupta (arXiv 1710.01878).

    A pruned weight is one that is exactly 0, in the weights and in their averages, so
    that checkpoints hold the masks and a resumed run goes on as if it had not stopped.
    """

    def __init__(self, config: PruningConfig, trained: Trained) -> None:
        """Finds the kernels.

        Raises:
          ConfigError: there are none, or the schedule does not fit into the stage.
        """
        super().__init__()
        self._config = config
        self._kernels = chosen_kernels(trained, config)
        stage = trained.stage
        epoch, length = stage.task.steps_per_epoch, stage.steps
        self._begin = to_steps(config.begin, epoch)
        end = length // 2 if config.end is None else config.end
        self._end = to_steps(end, epoch)
        self._every = to_steps(config.every, epoch)
        if not self._begin < self._end <= length:
            raise ConfigError(
                "stages[].compression: pruning does not fit into the stage"
                f" {stage.name}. Expected 0 <= begin < end <= {length} steps. Received"
                f" begin: {self._begin}, end: {self._end} steps."
            )

    def update(self, step: Any, gradients: Sequence[Any], learn: Learn) -> None:
        """See `Compression.update`; masks are those of before, until more is due."""
        made = step + 1
        share = polynomial_sparsity(
            made,
            self._begin,
            self._end,
            self._config.initial_sparsity,
            self._config.sparsity,
        )
        regular = (made - self._begin) % self._every == 0
        due = (made >= self._begin) & (made <= self._end)
        due &= regular | (made == self._end)
        begun = step >= self._begin
        masks = [zeros(kernel) & begun for kernel in self._kernels]
        learn(gradients)
        for kernel, mask in zip(self._kernels, masks, strict=True):
            set_zeros(kernel, _pruned(kernel, mask, due, share))

    def figures(self) -> dict[str, float]:
        """The share of weights that are 0, of the kernels that are pruned."""
        kernels = [kernel.value for kernel in self._kernels]
        sizes = [int(np.prod(kernel.shape)) for kernel in kernels]
        shares = [float(sparsity(kernel)) for kernel in kernels]
        return {"compression/sparsity": float(np.average(shares, weights=sizes))}


def _pruned(
    kernel: Kernel, mask: tf.Tensor, due: tf.Tensor, share: tf.Tensor
) -> tf.Tensor:
    """The mask of pruned weights, after one more pruning if that is due."""
    weights = tf.convert_to_tensor(kernel.value)
    kept = tf.where(mask, tf.zeros_like(weights), weights)
    return tf.cond(due, lambda: ~largest(kept, share), lambda: mask)
