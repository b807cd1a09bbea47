"""Scores of the vocabulary in shards, each computed on a device of its own.

Wu et al., arXiv 1609.08144, section 3.3. What the softmax needs of the shards is in
`tfmodels.metrics.parts`.
"""

from collections.abc import Callable
from collections.abc import Sequence
from itertools import pairwise

import tensorflow as tf

from tfmodels.layers.placing import Place
from tfmodels.layers.placing import computed_at
from tfmodels.metrics.parts import Parts

Score = Callable[[tf.Tensor, tf.Tensor, tf.Tensor | None], tf.Tensor]
"""From outputs of the last layer, [..., H], a table [K, H] and biases [K], if there are
any, to logits [..., K]."""


def sharded_logits(
    x: tf.Tensor,
    table: tf.Tensor,
    bias: tf.Tensor | None,
    score: Score,
    places: Sequence[Place],
) -> Parts:
    """Logits of a vocabulary whose shards differ by one token at most.

    Args:
      x: floating-point [..., H], outputs of the last layer.
      table: floating-point [V, H], what scores each token.
      bias: floating-point [V], or None.
      score: scores the tokens of a shard.
      places: where; there are as many shards.

    Returns:
      floating-point [..., V_i] at each place.
    """
    size, count = table.shape[0], len(places)
    ends = [size * number // count for number in range(count + 1)]
    sizes = [end - begin for begin, end in pairwise(ends)]
    tables = tf.split(table, sizes)
    biases = [None] * count if bias is None else tf.split(bias, sizes)
    return tuple(
        computed_at(place, score, x, *shard)
        for place, *shard in zip(places, tables, biases, strict=True)
    )
