"""Figures for models of sequences, as sums that add up over batches and replicas."""

import tensorflow as tf

from tfmodels.metrics.likelihood import nats
from tfmodels.metrics.parts import Parts


def sequence_accuracy(
    logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """How often every token of a sequence that counts is the most probable one.

    Args:
      logits: floating-point [B, T, K]; among equal ones the lower class comes first.
      labels: integer [B, T], class numbers from 0 to K - 1.
      weights: float32 [B, T], 0 for tokens that do not count. A sequence counts as one
        if any of its tokens does.

    Returns:
      float32 [] and float32 []: sequences without a mistake, and all that count.
    """
    guesses = tf.argmax(logits, axis=-1, output_type=tf.int32)
    counts = weights > 0
    wrong = counts & (guesses != tf.cast(labels, tf.int32))
    exists = tf.cast(tf.reduce_any(counts, axis=-1), tf.float32)
    right = exists * tf.cast(~tf.reduce_any(wrong, axis=-1), tf.float32)
    return tf.reduce_sum(right), tf.reduce_sum(exists)


def log_loss(
    logits: tf.Tensor | Parts, labels: tf.Tensor, weights: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Nats that the labels cost: ``-log softmax(logits)[label]``.

    The exponential of their mean is the perplexity. No smoothing of labels touches it.

    Args:
      logits: floating-point [..., K], or its parts.
      labels: integer [...], class numbers from 0 to K - 1.
      weights: float32 [...], 0 for padding.

    Returns:
      float32 [] and float32 []: weighted nats, and the weight of all.
    """
    logits = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), logits)
    costs = nats(logits, labels)
    return tf.reduce_sum(weights * costs), tf.reduce_sum(weights)
