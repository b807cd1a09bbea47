"""The weights of a kernel share a few values, which a stage trains."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.compression.clustering import clusters_of
from tfmodels.compression.clustering import means
from tfmodels.compression.clustering import sums
from tfmodels.errors import ConfigError
from trainers.compression.config import ClusteringConfig
from trainers.compression.interfaces import Compression
from trainers.compression.interfaces import Learn
from trainers.compression.interfaces import Trained
from trainers.compression.kernels import Kernel
from trainers.compression.kernels import change
from trainers.compression.kernels import chosen_kernels
from trainers.compression.kernels import set_zeros
from trainers.compression.kernels import zeros
from trainers.durations import to_steps


class Clustering(Compression):
    """Weights of a cluster are one value, which learns from the sum of their gradients.

    Clusters are found once, in the step after `begin`, and are part of a checkpoint.
    Averages of weights have clusters too: the averages of their values.

    Source: Han et al., "Deep Compression", arXiv 1510.00149, section 3.
    """

    def __init__(self, config: ClusteringConfig, trained: Trained) -> None:
        """Finds the kernels.

        Raises:
          ConfigError: there are none, or the stage is over before it begins.
        """
        super().__init__()
        self._config = config
        self._kernels = chosen_kernels(trained, config)
        stage = trained.stage
        self._begin = to_steps(config.begin, stage.task.steps_per_epoch)
        if self._begin >= stage.steps:
            raise ConfigError(
                f"stages[].compression.begin: the stage {stage.name} is over before"
                f" weights are clustered. Expected less than {stage.steps} steps."
                f" Received {self._begin} steps."
            )
        self._variables = [
            tf.Variable(tf.zeros(kernel.value.shape, tf.uint8), trainable=False)
            for kernel in self._kernels
        ]
        self.state = {
            f"compression/{kernel.path}/cluster": variable
            for kernel, variable in zip(self._kernels, self._variables, strict=True)
        }

    def update(self, step: Any, gradients: Sequence[Any], learn: Learn) -> None:
        """See `Compression.update`."""
        strategy = tf.distribute.get_strategy()
        begun = step >= self._begin
        changed = list(gradients)
        found = []
        masks = [zeros(kernel) for kernel in self._kernels]
        for kernel, variable in zip(self._kernels, self._variables, strict=True):
            clusters = self._clusters(kernel, variable, step == self._begin)
            strategy.extended.update(
                variable, lambda v, new: v.assign(new), args=(clusters,), group=False
            )
            # The same in every replica: they have been summed.
            [gradient, *_] = strategy.experimental_local_results(changed[kernel.place])
            together = sums(gradient, clusters, self._config.clusters)
            changed[kernel.place] = tf.where(begun, together, gradient)
            found.append(clusters)
        learn(changed)
        for kernel, clusters, mask in zip(self._kernels, found, masks, strict=True):
            change(kernel, self._shared, clusters, begun)
            if self._config.preserve_sparsity:
                set_zeros(kernel, mask)

    def _clusters(
        self, kernel: Kernel, variable: tf.Variable, begins: tf.Tensor
    ) -> tf.Tensor:
        """The cluster of each weight, found now if clustering begins."""
        weights, known = map(tf.convert_to_tensor, (kernel.value, variable))
        config = self._config
        return tf.cond(
            begins,
            lambda: clusters_of(weights, config.clusters, config.preserve_sparsity),
            lambda: known,
        )

    def _shared(
        self, weights: tf.Tensor, clusters: tf.Tensor, begun: tf.Tensor
    ) -> tf.Tensor:
        """Weights of the values of their clusters."""
        shared = means(weights, clusters, self._config.clusters)
        return tf.where(begun, shared, weights)

    def figures(self) -> dict[str, float]:
        """The most values that a kernel has, of those that are clustered."""
        values = [len(np.unique(kernel.value.numpy())) for kernel in self._kernels]
        return {"compression/values": float(max(values))}
