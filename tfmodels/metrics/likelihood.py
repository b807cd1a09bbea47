"""Nats that a class costs, with a gradient made by hand."""

from typing import Any

import tensorflow as tf

from tfmodels.metrics.parts import Parts
from tfmodels.metrics.parts import nats_of_parts


def nats(
    logits: tf.Tensor | Parts, labels: tf.Tensor, smoothing: float = 0.0
) -> tf.Tensor:
    """Cross entropy from a target that is mostly, but not only, the label.

    The target has ``1 - smoothing + smoothing / K`` at the label and ``smoothing / K``
    at the other classes (Inception-v3, arXiv 1512.00567, section 7). Exponentials are
    computed once, for the value and the gradient, where there are many classes half of
    what `tf.nn.sparse_softmax_cross_entropy_with_logits` takes.

    Args:
      logits: floating-point [..., K], or its parts.
      labels: int32 [...], class numbers from 0 to K - 1.
      smoothing: share of the target spread evenly over all classes.

    Returns:
      floating-point [...], in nats.
    """
    if isinstance(logits, tuple):
        return nats_of_parts(logits, labels, smoothing)
    num_classes = logits.shape[-1]
    flat = tf.reshape(tf.cast(labels, tf.int32), [-1])
    places = tf.stack([tf.range(tf.size(flat)), flat], axis=1)

    @tf.custom_gradient
    def run(rows: tf.Tensor) -> Any:
        peak = tf.reduce_max(rows, axis=1, keepdims=True)
        shares = tf.exp(rows - peak)
        sums = tf.reduce_sum(shares, axis=1, keepdims=True)
        normalizers = (peak + tf.math.log(sums))[:, 0]
        values = normalizers - (1 - smoothing) * tf.gather_nd(rows, places)
        if smoothing:
            values -= smoothing * tf.reduce_mean(rows, axis=1)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            d_rows = shares * (upstream[:, None] / sums)
            if smoothing:
                d_rows -= upstream[:, None] * (smoothing / num_classes)
            return tf.tensor_scatter_nd_sub(d_rows, places, (1 - smoothing) * upstream)

        return values, gradient

    values = run(tf.reshape(logits, [-1, num_classes]))
    return tf.reshape(values, tf.shape(labels))
