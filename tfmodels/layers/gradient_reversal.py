"""Gradient reversal, with a clip in the units of one token's own loss."""

from typing import Any
from typing import Literal

import tensorflow as tf

Clip = Literal["value", "norm", "none"]


def reverse_gradient(
    x: tf.Tensor, scale: Any = 1.0, limit: float = 0.5, clip: Clip = "value"
) -> tuple[tf.Tensor, tf.Tensor]:
    """`x` itself, whose gradient is turned round and clipped (Zhang et al., arXiv
    1907.04448, section 2.3; Ganin et al., arXiv 1505.07818).

    A mean over all tokens of a batch makes each token's gradient so small that a clip
    of the sum never acts. What one token's loss counts in the whole, k, is therefore
    handed back beside the gradient g, and ``-scale k clip(g / k)`` passes on.

    An objective makes k known by adding ``unit - stop_gradient(unit)`` to a token's
    loss: the value stays, and the gradient of the unit is k.

    Args:
      x: floating-point [..., D], a row for each token.
      scale: number or float [], what is passed on of the gradient; no gradient of it.
      limit: largest magnitude of a number of g / k, or of its norm.
      clip: which of the two, or neither.

    Returns:
      `x`, and the units, zeros of the type of `x`, [...].
    """

    @tf.custom_gradient
    def run(x: tf.Tensor) -> Any:
        def gradient(d_x: tf.Tensor, d_unit: tf.Tensor) -> tf.Tensor:
            share = d_unit[..., None]
            clipped = clipped_gradient(tf.math.divide_no_nan(d_x, share), limit, clip)
            return -tf.cast(scale, d_x.dtype) * share * clipped

        return (tf.identity(x), tf.zeros_like(x[..., 0])), gradient

    return run(x)


def clipped_gradient(gradient: tf.Tensor, limit: float, clip: Clip) -> tf.Tensor:
    """Gradients of tokens' own losses, floating-point [..., D], no larger than `limit`;
    see `reverse_gradient`."""
    if clip == "value":
        return tf.clip_by_value(gradient, -limit, limit)
    if clip == "norm":
        return tf.clip_by_norm(gradient, limit, axes=[-1])
    return gradient


def clipped_share(gradient: tf.Tensor, there: tf.Tensor, limit: float) -> tf.Tensor:
    """Share of numbers that a clip of values changes, float32 [].

    Args:
      gradient: floating-point [..., D], see `clipped_gradient`.
      there: floating-point [...], 0 on padding.
      limit: largest magnitude.
    """
    larger = tf.cast(tf.abs(gradient) > limit, tf.float32)
    there = tf.cast(there, tf.float32)
    changed = tf.reduce_sum(tf.reduce_mean(larger, -1) * there)
    return tf.math.divide_no_nan(changed, tf.reduce_sum(there))
