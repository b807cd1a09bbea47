"""Eight-bit grids of kernels and of tensors between layers, as TFLite has them.

Source: Jacob et al., arXiv 1712.05877, section 3; the TFLite 8-bit specification.
"""

from typing import Any

import keras
import tensorflow as tf


class Switch:
    """Whether a model imitates integers, and whether it learns their ranges."""

    def __init__(self) -> None:
        self.active = False
        self.learning = False


class Range(keras.layers.Layer):
    """Rounds a tensor to 256 levels between the averages of its extremes.

    Args:
      switch: of its model; ranges move only while that is learning.
      momentum: share of the old range in the average of a batch.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, switch: Switch, momentum: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.switch = switch
        self._momentum = momentum
        self.low, self.high = (
            self.add_weight(
                name=name,
                shape=(),
                initializer="zeros",
                trainable=False,
                aggregation="mean",
            )
            for name in ("low", "high")
        )
        self.built = True

    def call(self, inputs: Any) -> tf.Tensor:
        """Returns a float32 tensor like the input, which has seen the range."""
        low, high = (tf.convert_to_tensor(end) for end in (self.low, self.high))
        if self.switch.learning:
            # The first batch has no range before it.
            old = tf.where(high > low, self._momentum, 0.0)
            new_low = tf.minimum(tf.reduce_min(inputs), 0.0)
            new_high = tf.maximum(tf.reduce_max(inputs), 0.0)
            low = old * low + (1 - old) * new_low
            high = old * high + (1 - old) * new_high
            self.low.assign(low)
            self.high.assign(high)
        return rounded(inputs, low, high)


def rounded(x: Any, low: Any, high: Any) -> tf.Tensor:
    """Clips to a range that holds 0, and rounds to 256 levels of which one is 0.

    Args:
      x: float32 [...].
      low: float32 [], at most 0.
      high: float32 [], at least 0; where both are 0, 1 stands in its place.

    Returns:
      A tensor like `x`; gradients are 1 inside of the range and 0 outside.
    """
    high = tf.where(high > low, high, 1.0)
    return tf.quantization.fake_quant_with_min_max_vars(
        x, tf.stop_gradient(low), tf.stop_gradient(high), 8
    )


def rounded_kernel(kernel: Any, by_channel: bool) -> tf.Tensor:
    """Rounds a kernel to the levels -127 to 127, the outermost its largest magnitude.

    Args:
      kernel: float32 [..., channels].
      by_channel: a scale for each output channel, in place of one for all.

    Returns:
      A tensor like the kernel, with its gradient. A channel of zeros stays one; it has
      the scale of the others together, since its bias is in units of that scale.
    """
    magnitudes = tf.stop_gradient(tf.abs(kernel))
    largest = tf.reduce_max(magnitudes)
    largest = tf.where(largest > 0, largest, 1.0)
    if not by_channel:
        return tf.quantization.fake_quant_with_min_max_vars(
            kernel, -largest, largest, 8, narrow_range=True
        )
    bounds = tf.reduce_max(magnitudes, range(len(kernel.shape) - 1))
    bounds = tf.where(bounds > 0, bounds, largest)
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        kernel, -bounds, bounds, 8, narrow_range=True
    )
