"""The errors that a list or a set of answers is expected to have, with its gradient."""

from typing import Literal

import tensorflow as tf

_NEVER = -1e9
"""Log of the probability of no answer; -inf would make gradients NaN."""


def posteriors(
    log_probs: tf.Tensor, valid: tf.Tensor, scale: float = 1.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Probabilities over the answers of a list: ``P_i ^ beta / sum_j P_j ^ beta``.

    Args:
      log_probs: floating-point [b, N]; any value where there is no answer.
      valid: bool [b, N], whether there is an answer.
      scale: beta.

    Returns:
      Probabilities and their logs, [b, N]; 0 and -1e9 where there is no answer.
    """
    # Twice, so that no gradient comes from what is not there.
    present = tf.where(valid, log_probs, tf.zeros_like(log_probs))
    scores = tf.where(valid, scale * present, tf.cast(_NEVER, log_probs.dtype))
    logs = tf.nn.log_softmax(scores)
    logs = tf.where(valid, logs, tf.cast(_NEVER, logs.dtype))
    return tf.exp(logs), logs


def of_lists(
    log_probs: tf.Tensor, errors: tf.Tensor, valid: tf.Tensor, scale: float = 1.0
) -> tf.Tensor:
    """``sum_i P_i (W_i - W)`` over each n-best list, W the mean of all W_i.

    Prabhavalkar et al., arXiv 1712.01818. The gradient with respect to log P_i is
    ``beta P_i (W_i - E)``, with ``E = sum_j P_j W_j``, whatever W is: as the P_i add up
    to 1, W only moves the value. Its sum over a list is 0.

    Args:
      log_probs: floating-point [b, N].
      errors: [b, N], W_i, of the same type.
      valid: bool [b, N].
      scale: beta.

    Returns:
      [b]; 0 for lists without any answer.
    """
    probs, _ = posteriors(log_probs, valid, scale)
    there = tf.cast(valid, errors.dtype)
    errors = tf.stop_gradient(errors) * there
    mean = tf.math.divide_no_nan(
        tf.reduce_sum(errors, axis=1, keepdims=True),
        tf.reduce_sum(there, axis=1, keepdims=True),
    )
    return tf.reduce_sum(probs * (errors - mean), axis=1)


def of_samples(
    log_probs: tf.Tensor,
    errors: tf.Tensor,
    baseline: Literal["mean", "leave_one_out", "none"],
    unbiased: bool = False,
) -> tf.Tensor:
    """What has the gradient of the expected errors, from N answers drawn for each.

    ``1/N sum_i (W_i - b_i) log P_i`` (Shannon, Interspeech 2017; the same paper). With
    b_i the mean of all W it is expected to have (N - 1) / N of the gradient, since that
    includes W_i; with the mean of the others, or with 0, all of it.

    Args:
      log_probs: floating-point [b, N].
      errors: [b, N], of the same type.
      baseline: b_i.
      unbiased: multiply by N / (N - 1).

    Returns:
      [b]; the value says nothing.
    """
    errors = tf.stop_gradient(errors)
    number = errors.shape[1]
    mean = tf.reduce_mean(errors, axis=1, keepdims=True)
    advantage = errors if baseline == "none" else errors - mean
    if unbiased or baseline == "leave_one_out":
        # W_i less the mean of the others is that multiple of W_i less the mean of all.
        advantage *= number / (number - 1)
    return tf.reduce_mean(advantage * log_probs, axis=1)


def correlations(
    log_probs: tf.Tensor, errors: tf.Tensor, valid: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """How well the order of probabilities is that of errors: Pearson's coefficient of
    ``log P_i`` and ``-W_i``, 1 where they agree.

    Args:
      log_probs: floating-point [b, N]; any value where there is no answer.
      errors: [b, N], of the same type.
      valid: bool [b, N].

    Returns:
      [b], and whether there is one, bool [b]: not where either is always the same.
    """
    there = tf.cast(valid, errors.dtype)
    number = tf.maximum(tf.reduce_sum(there, axis=1, keepdims=True), 1.0)

    def centred(values: tf.Tensor) -> tf.Tensor:
        values = tf.where(valid, values, tf.zeros_like(values))
        return there * (values - tf.reduce_sum(values, 1, keepdims=True) / number)

    one, other = centred(log_probs), centred(-errors)
    spread = tf.reduce_sum(one**2, axis=1) * tf.reduce_sum(other**2, axis=1)
    product = tf.reduce_sum(one * other, axis=1)
    return tf.math.divide_no_nan(product, tf.sqrt(spread)), spread > 0
