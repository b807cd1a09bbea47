"""Small networks after a layer, one for each variety."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfmodels.las.config import AdapterConditioning
from tfmodels.las.config import LASConfig
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.matrices import Matrix

Apply = Callable[[tf.Tensor], tf.Tensor]
"""From [..., D] to the same."""


class Adapter(keras.layers.Layer):
    """``x + sum_k d_k Up_k relu(Down_k LN x)`` (Kannan et al., arXiv 1909.05330).

    The normalisation has no weights of its own: those of Down would do the same.

    Args:
      bottleneck: width B between Down and Up.
      clusters: pairs of Down and Up.
      **kwargs: see `keras.layers.Layer`.
    """

    matrices = {"down": Matrix(), "up": Matrix()}

    def __init__(self, bottleneck: int, clusters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sizes = (clusters, bottleneck)

    def build(self, input_shape: Any) -> None:
        """Makes the weights, Up of zeros: at first nothing is changed."""
        width, wide = input_shape[-1], self._sizes[0] * self._sizes[1]
        self.down = self.add_weight(shape=(width, wide), name="down")
        self.down_bias = self.add_weight(
            shape=(wide,), initializer="zeros", name="down_bias"
        )
        self.up = self.add_weight(shape=(wide, width), initializer="zeros", name="up")
        self.up_bias = self.add_weight(
            shape=(self._sizes[0], width), initializer="zeros", name="up_bias"
        )
        self.built = True

    def applier(self, identifier: tf.Tensor) -> Apply:
        """What it does for a batch; weights are read here.

        Args:
          identifier: floating-point [..., clusters].
        """
        down, up = value(self.down), value(self.up)
        down_bias = value(self.down_bias)
        shares = tf.repeat(identifier, self._sizes[1], axis=-1)
        added = product(identifier, self.up_bias)

        def apply(x: tf.Tensor) -> tf.Tensor:
            mean, variance = tf.nn.moments(x, -1, keepdims=True)
            normal = (x - mean) * tf.math.rsqrt(variance + 1e-6)
            hidden = tf.nn.relu(product(normal, down) + down_bias)
            return x + product(hidden * shares, up) + added

        return apply


def adapter_after(config: LASConfig, name: str, width: int) -> Adapter | None:
    """The adapter after a layer, such as ``encoder1``, if there is one.

    Args:
      config: the model's.
      name: of the layer.
      width: of its output.
    """
    told = config.told(name)
    if not isinstance(told, AdapterConditioning):
        return None
    adapter = Adapter(told.bottleneck, config.identifier_dim, name=f"{name}_adapter")
    adapter.build((None, width))
    return adapter


def applier(adapter: Adapter | None, identifier: tf.Tensor | None) -> Apply:
    """What there is after a layer: the adapter, or nothing."""
    if adapter is None or identifier is None:
        return tf.identity
    return adapter.applier(identifier)
