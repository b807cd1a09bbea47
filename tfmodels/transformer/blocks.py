"""The Transformer's computation when attention remembers: of some positions at once."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfmodels.transformer.config import TransformerConfig

Call = Callable[..., tf.Tensor]
"""Runs a layer of `tfmodels.transformer.model.transformer`, by name, on a tensor."""
Attend = Callable[[int, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""Takes the number of a block from 0, and query, key and value float32 [n, ...] of n
positions; returns what they find, float32 [n, d]."""


def run_blocks(
    config: TransformerConfig, call: Call, x: tf.Tensor, turn: Call, attend: Attend
) -> tf.Tensor:
    """What follows each of n positions, in every block alike.

    Args:
      config: of the model.
      call: runs its layers.
      x: float [n, d], embeddings, with positions if these are added.
      turn: runs a layer of rotary positions.
      attend: remembers, and looks at what was before.

    Returns:
      Logits, float32 [n, K].
    """
    for number in range(config.num_layers):
        path = f"block{number + 1}_attention"
        inner = call(f"{path}_norm", x)
        query, key, value = (
            tf.cast(call(f"{path}_{role}", inner), tf.float32)
            for role in ("query", "key", "value")
        )
        if config.positions == "rotary":
            query = turn(f"{path}_query_turned", query)
            key = turn(f"{path}_key_turned", key)
        x += call(f"{path}_output", attend(number, query, key, value))
        path = f"block{number + 1}_feed_forward"
        inner = call(f"{path}_norm", x)
        hidden = call(f"{path}_hidden", inner)
        hidden = call(f"{path}_{config.activation}", hidden)
        if config.gated_feed_forward:
            hidden *= call(f"{path}_gate", inner)
        x += call(f"{path}_output", hidden)
    x = call("norm", x)
    if config.tie_embeddings:
        return call("logits", call("embedding", x, reverse=True))
    return call("logits", call("output", x))


def grouped_attention(
    config: TransformerConfig,
    query: tf.Tensor,
    keys: tf.Tensor,
    values: tf.Tensor,
    hidden: tf.Tensor,
) -> tf.Tensor:
    """`CausalAttention` of some positions of each row, float32 [n, q, d].

    Args:
      config: of the model.
      query: float32 [n, q, d].
      keys: float32 [n, T, G h]: of each position before, G heads side by side.
      values: like the keys.
      hidden: float32 [n, q, T], added to scores: 0, or so low a number that it hides.
    """
    groups, width = config.key_value_heads, config.head_dim
    shared, (count, length) = (
        config.num_heads // groups,
        (query.shape[1], keys.shape[1]),
    )
    queries = tf.reshape(query * width**-0.5, [-1, count, groups, shared, width])
    queries = tf.transpose(queries, [0, 2, 3, 1, 4])
    queries = tf.reshape(queries, [-1, groups, shared * count, width])
    keys, values = (
        tf.transpose(tf.reshape(x, [-1, length, groups, width]), [0, 2, 1, 3])
        for x in (keys, values)
    )
    scores = tf.matmul(queries, keys, transpose_b=True)
    scores += tf.tile(hidden, [1, shared, 1])[:, None]
    context = tf.matmul(tf.nn.softmax(scores), values)
    context = tf.reshape(context, [-1, groups, shared, count, width])
    context = tf.transpose(context, [0, 3, 1, 2, 4])
    return tf.reshape(context, [-1, count, config.model_dim])


def embedded(
    config: TransformerConfig, call: Call, tokens: Any, positions: tf.Tensor | None
) -> tf.Tensor:
    """What goes into the first block, float [n, d].

    Args:
      config: of the model.
      call: runs its layers.
      tokens: int32 [n].
      positions: float [n, d], what is added; None where nothing is.
    """
    x = call("embedding", tokens)
    if config.positions == "sinusoidal":
        x *= config.model_dim**0.5
    return x if positions is None else x + positions
