"""Figures for classifiers, as weighted sums that add up over batches and replicas."""

import tensorflow as tf

from tfmodels.metrics.parts import Parts
from tfmodels.metrics.parts import best_of_parts


def top_k(
    logits: tf.Tensor | Parts, labels: tf.Tensor, weights: tf.Tensor, k: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """How often the label is among the `k` classes with the largest logits.

    Among equal logits the class with the lower number comes first, so a network whose
    outputs are all equal scores as guessing does, and ``k = 1`` is the arg max.

    Args:
      logits: floating-point [..., K], or its parts.
      labels: integer [...], class numbers from 0 to K - 1.
      weights: float32 [...], 0 for padding.
      k: number of guesses; all classes if there are fewer.

    Returns:
      float32 [] and float32 []: weight of the hits, weight of all.
    """
    if isinstance(logits, tuple):
        most = sum(part.shape[-1] for part in logits)
        guesses = best_of_parts(logits, min(k, most))[1]
    else:
        guesses = tf.math.top_k(logits, min(k, logits.shape[-1])).indices
    hits = tf.reduce_any(guesses == tf.cast(labels, tf.int32)[..., None], axis=-1)
    return tf.reduce_sum(weights * tf.cast(hits, tf.float32)), tf.reduce_sum(weights)


def confusion_matrix(
    logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """How often each class is taken for each other, counted with weights.

    Equal logits are resolved as in `top_k`. Counts are exact up to 2 ** 24.

    Args:
      logits: floating-point [..., K].
      labels: integer [...], class numbers from 0 to K - 1.
      weights: float32 [...], 0 for padding.

    Returns:
      float32 [K, K], rows are labels and columns are predictions; and float32 [], the
      weight of all.
    """
    # Not tf.math.confusion_matrix: its assertions run even where nobody asks for it.
    num_classes = logits.shape[-1]
    labels = tf.cast(tf.reshape(labels, [-1]), tf.int64)
    guesses = tf.reshape(tf.argmax(logits, axis=-1), [-1])
    counts = tf.math.unsorted_segment_sum(
        tf.reshape(weights, [-1]), labels * num_classes + guesses, num_classes**2
    )
    return tf.reshape(counts, [num_classes, num_classes]), tf.reduce_sum(weights)
