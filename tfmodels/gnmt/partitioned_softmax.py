"""A softmax whose vocabulary is cut into shards, each scored on its own device.

Wu et al., arXiv 1609.08144, section 3.3: a shard hands on a few numbers per position,
and scores of all tokens never come together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfmodels.gnmt.wavefront import Place
from tfmodels.layers.lstm import clip


class Shard(NamedTuple):
    """Consecutive tokens of the vocabulary."""

    table: tf.Tensor
    """floating-point [K, H], what scores each of them."""
    bias: tf.Tensor | None
    """floating-point [K]."""


def cross_entropy(
    x: tf.Tensor,
    labels: tf.Tensor,
    shards: Sequence[Shard],
    place: Place,
    logits_clip: float | None = None,
) -> tf.Tensor:
    """``-log p(label)``, of the softmax over all shards' tokens.

    Args:
      x: floating-point [N, H], outputs of the last layer.
      labels: int32 [N], tokens.
      shards: the vocabulary, in its order.
      place: the context in which a shard, from 0, is to be scored.
      logits_clip: largest magnitude of a logit.

    Returns:
      floating-point [N].
    """
    tops, sums, chosen, begin = [], [], [], 0
    for number, shard in enumerate(shards):
        with place(number):
            scores = _scores(x, shard, logits_clip)
            tops.append(tf.stop_gradient(tf.reduce_max(scores, -1)))
            sums.append(tf.reduce_sum(tf.exp(scores - tops[-1][:, None]), -1))
            size = scores.shape[-1]
            own = labels - begin
            here = (own >= 0) & (own < size)
            score = tf.gather(
                scores, tf.clip_by_value(own, 0, size - 1), axis=1, batch_dims=1
            )
            chosen.append(tf.where(here, score, tf.zeros_like(score)))
            begin += size
    return _log_sum(tops, sums) - tf.add_n(chosen)


def top_k(
    x: tf.Tensor,
    k: int,
    shards: Sequence[Shard],
    place: Place,
    logits_clip: float | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The most probable tokens, merged from those of each shard.

    Args:
      x: see `cross_entropy`.
      k: how many; no shard has fewer tokens.
      shards: see `cross_entropy`.
      place: see `cross_entropy`.
      logits_clip: see `cross_entropy`.

    Returns:
      Their log probabilities, floating-point [N, k], best first, and the tokens, int32
      [N, k].
    """
    tops, sums, best, tokens, begin = [], [], [], [], 0
    for number, shard in enumerate(shards):
        with place(number):
            scores = _scores(x, shard, logits_clip)
            found, where = tf.math.top_k(scores, k)
            tops.append(found[:, 0])
            sums.append(tf.reduce_sum(tf.exp(scores - tops[-1][:, None]), -1))
            best.append(found)
            tokens.append(where + begin)
            begin += scores.shape[-1]
    found, where = tf.math.top_k(tf.concat(best, -1), k)
    token = tf.gather(tf.concat(tokens, -1), where, axis=1, batch_dims=1)
    return found - _log_sum(tops, sums)[:, None], token


def _scores(x: tf.Tensor, shard: Shard, logits_clip: float | None) -> tf.Tensor:
    scores = tf.matmul(x, shard.table, transpose_b=True)
    if shard.bias is not None:
        scores += shard.bias
    return clip(scores, logits_clip)


def _log_sum(tops: list[tf.Tensor], sums: list[tf.Tensor]) -> tf.Tensor:
    """Log of the exponentials of all scores, summed over all shards, [N]."""
    top = tf.reduce_max(tf.stack(tops), 0)
    parts = [part * tf.exp(own - top) for part, own in zip(sums, tops, strict=True)]
    return top + tf.math.log(tf.add_n(parts))
