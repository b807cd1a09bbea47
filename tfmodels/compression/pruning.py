"""Which weights of a kernel are pruned, and how their share grows while it learns."""

from typing import Any

import tensorflow as tf


def polynomial_sparsity(
    step: Any, begin: int, end: int, initial: float, final: float
) -> tf.Tensor:
    """The share of weights to be pruned after a number of steps.

    It is ``final + (initial - final) * (1 - (step - begin) / (end - begin)) ** 3``.

    Source: Zhu and Gupta, "To prune, or not to prune", arXiv 1710.01878, section 3.

    Args:
      step: int [], number of steps made; before `begin` the result is 0, after `end`
        it is `final`.
      begin: the step of the first pruning, which leaves `initial`.
      end: the step from which the share is `final`.
      initial: share of pruned weights at `begin`.
      final: share of pruned weights at `end`.

    Returns:
      float32 [], share of weights to be pruned.
    """
    # In float64: the share times a million weights must round to the right number.
    rest = tf.cast(end - tf.cast(step, tf.int64), tf.float64) / max(end - begin, 1)
    share = final + (initial - final) * tf.clip_by_value(rest, 0.0, 1.0) ** 3
    return tf.cast(tf.where(step < begin, tf.zeros_like(share), share), tf.float32)


def largest(weights: Any, sparsity: Any) -> tf.Tensor:
    """Marks all weights but the share with the smallest magnitudes.

    Args:
      weights: float [...], n of them.
      sparsity: float [], a share; ``round(sparsity * n)`` weights are not marked, and
        those of the same magnitude as the largest of these are not either.

    Returns:
      bool, of the shape of the weights.
    """
    magnitudes = tf.abs(tf.convert_to_tensor(weights))
    ordered = tf.sort(tf.reshape(magnitudes, [-1]))
    count = tf.cast(tf.size(ordered), tf.float64)
    pruned = tf.cast(tf.round(tf.cast(sparsity, tf.float64) * count), tf.int32)
    highest = tf.gather(ordered, tf.maximum(pruned - 1, 0))
    return (magnitudes > highest) | (pruned == 0)


def sparsity(weights: Any) -> tf.Tensor:
    """The share of weights that are 0, float32 [], of float [...]."""
    return tf.reduce_mean(tf.cast(tf.convert_to_tensor(weights) == 0, tf.float32))
