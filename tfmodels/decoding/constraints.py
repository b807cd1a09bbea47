"""Sequences that must begin in a given way, or may not have some tokens."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import PAD
from tfmodels.decoding.step import Step
from tfmodels.decoding.step import StepOutput

Allowed = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Takes the tokens before, int32 [n], and how many there are after the start, int32
[n]; returns which may follow, bool [n, V]."""


def constrained(step: Step, allowed: Allowed) -> Step:
    """The model without the tokens that may not follow; others keep their price.

    Args:
      step: the model.
      allowed: what may follow. Where it allows nothing, a sequence is given up.

    Returns:
      A step; its state, made by `counted`, also says how long rows are.
    """

    def limited(tokens: tf.Tensor, state: Any) -> StepOutput:
        place, inner = state
        output = step(tokens, inner)
        log_probs = tf.where(allowed(tokens, place), output.log_probs, LOG_ZERO)
        return output._replace(log_probs=log_probs, state=(place + 1, output.state))

    return limited


def counted(state: Any) -> tuple[tf.Tensor, Any]:
    """The state of a `constrained` step before the first token.

    Args:
      state: nest of tensors [b, ...], that of the model.
    """
    rows = tf.shape(tf.nest.flatten(state)[0])[:1]
    return tf.zeros(rows, tf.int32), state


def listed(units: tf.Tensor) -> Allowed:
    """Lets sequences consist of some tokens alone.

    Args:
      units: bool [n, V].
    """
    return lambda tokens, place: units


def prefixed(prefix: tf.Tensor, vocabulary_size: int) -> Allowed:
    """Lets sequences begin with given tokens alone, and go on as they like.

    A search finds nothing where its limit leaves no room for these and the end.

    Args:
      prefix: int32 [n, P], `PAD` after the last one of each row.
      vocabulary_size: V.
    """
    # The column after the last asks for nothing.
    prefix = tf.pad(prefix, [[0, 0], [0, 1]], constant_values=PAD)

    def allowed(_: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        column = tf.minimum(place, tf.shape(prefix)[1] - 1)
        wanted = tf.gather(prefix, column, batch_dims=1)[:, None]
        return (wanted == PAD) | (wanted == tf.range(vocabulary_size))

    return allowed
