"""Convolutions over time that never see padding, with or without normalisation."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfmodels.layers.config import BatchNorm
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value

Activation = Callable[[tf.Tensor], tf.Tensor]


class Convolution(keras.layers.Layer):
    """``activation(norm(K * x + b))``, 0 on padding; zeros stand around the sequence.

    Frames side by side times the kernel: one product of matrices.

    Args:
      width: of the input, D.
      filters: F.
      kernel: frames that a filter sees.
      activation: after normalisation.
      norm: batch normalisation over what is no padding; none if None.
      stride: frames that it advances.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self,
        width: int,
        filters: int,
        kernel: int,
        activation: Activation = tf.identity,
        norm: BatchNorm | None = None,
        stride: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._activation, self._stride = activation, stride
        self.kernel = self.add_weight(shape=(kernel, width, filters), name="kernel")
        self.bias = self.add_weight(shape=(filters,), initializer="zeros", name="bias")
        self.norm = None
        if norm is not None:
            self.norm = keras.layers.BatchNormalization(
                momentum=norm.momentum,
                epsilon=norm.epsilon,
                scale=norm.scale,
                name=f"{self.name}_norm",
            )
            self.norm.build((None, None, filters))
        self.built = True

    def run(
        self, x: tf.Tensor, mask: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Outputs, floating-point [b, ceil(T / stride), F], and their mask.

        Args:
          x: floating-point [b, T, D], 0 on padding.
          mask: floating-point [b, T, 1], 0 on padding, which is at the end.
          training: whether statistics of the batch normalise.
        """
        size = self.kernel.shape[0]
        before = (size - 1) // 2
        length = x.shape[1] or tf.shape(x)[1]
        padded = tf.pad(x, [[0, 0], [before, size - 1 - before], [0, 0]])
        seen = [padded[:, i : i + length : self._stride] for i in range(size)]
        kernel = tf.reshape(value(self.kernel), [-1, self.kernel.shape[-1]])
        x = product(tf.concat(seen, -1), kernel) + value(self.bias)
        mask = mask[:, :: self._stride]
        if self.norm is not None:
            x = self.norm(x, training=training, mask=mask[..., 0] > 0)
        return self._activation(x) * tf.cast(mask, x.dtype), mask


def there(lengths: tf.Tensor, longest: int | tf.Tensor) -> tf.Tensor:
    """Mask of sequences, float32 [b, longest, 1], 0 on padding."""
    return tf.sequence_mask(lengths, longest, tf.float32)[..., None]
