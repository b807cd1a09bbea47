"""How probable a model finds sequences that are given."""

from typing import Any

import tensorflow as tf

from tfmodels.decoding.step import START
from tfmodels.decoding.step import Step


def score(step: Step, state: Any, targets: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """``log P`` of each token given those before it, by single steps.

    It works with any `Step`, such as an ensemble; a model that takes whole sequences is
    quicker.

    Args:
      step: the model, of n rows.
      state: nest of tensors [n, ...], before the first token.
      targets: int32 [n, T].
      lengths: int32 [n], tokens of each that count, `END` being one of them.

    Returns:
      float32 [n, T], natural logs; 0 beyond the lengths.
    """
    length = targets.shape[1] or tf.shape(targets)[1]

    def body(
        place: tf.Tensor, tokens: tf.Tensor, state: Any, log_probs: tf.Tensor
    ) -> tuple[Any, ...]:
        output = step(tokens, state)
        following = tf.gather(targets, place, axis=1)
        price = tf.gather(output.log_probs, following, batch_dims=1)
        here = tf.range(length) == place
        log_probs = tf.where(here, price[:, None], log_probs)
        return place + 1, following, output.state, log_probs

    start = tf.fill(tf.shape(targets)[:1], START)
    *_, log_probs = tf.while_loop(
        lambda place, *unused: place < length,
        body,
        (tf.constant(0), start, state, tf.zeros_like(targets, tf.float32)),
        maximum_iterations=length,
    )
    return tf.where(tf.sequence_mask(lengths, length), log_probs, 0.0)
