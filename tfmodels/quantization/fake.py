"""Weights on a grid while a network trains, and three rules for their gradient.

Source: OCTAV, arXiv 2206.06501, section 4.
"""

from collections.abc import Callable
from typing import Any
from typing import Literal

import tensorflow as tf

from tfmodels.quantization.groups import num_steps

Gradient = Literal["ste", "pwl", "mad"]
"""Of a weight, inside and outside of the range: 1 and 1; 1 and 0; 1, and the share of
its distance from the middle that the range covers."""


def fake_quantize(
    weights: Any, low: Any, high: Any, bits: int, gradient: Gradient = "mad"
) -> tf.Tensor:
    """Clips weights and rounds them to the levels of a grid, in floating point.

    Args:
      weights: float32 [..., n].
      low: lower bounds, which broadcast to them. No gradient reaches bounds: solve for
        them again before each step.
      high: upper bounds, above the lower ones.
      bits: of a code.
      gradient: the rule.

    Returns:
      A tensor like the weights.
    """
    steps = num_steps(bits)

    @tf.custom_gradient
    def rounded(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        bottom, top = tf.cast(low, x.dtype), tf.cast(high, x.dtype)
        scale = (top - bottom) / steps
        codes = tf.clip_by_value(tf.round((x - bottom) / scale), 0, steps)

        def backward(upstream: tf.Tensor) -> tf.Tensor:
            return upstream * _factor(x, bottom, top, gradient)

        return bottom + scale * codes, backward

    return rounded(tf.convert_to_tensor(weights))


def _factor(
    x: tf.Tensor, low: tf.Tensor, high: tf.Tensor, gradient: Gradient
) -> tf.Tensor:
    ones = tf.ones_like(x)
    if gradient == "ste":
        return ones
    inside = (x >= low) & (x <= high)
    if gradient == "pwl":
        return tf.where(inside, ones, 0)
    distance = tf.abs(x - (low + high) / 2)
    return tf.where(inside, ones, (high - low) / 2 / tf.where(inside, ones, distance))
