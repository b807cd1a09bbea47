"""Draws outputs from the payoff distribution, vectorised, in graph code.

Stratified (Norouzi et al., 2016, section 2.2): the number of edits e first, then an
output with so many. Exact for the Hamming reward; for edit distance exact in the law of
the strata: of e edits, s are replacements of distinct tokens and e - s insertions in
the gaps between the other tokens. `tfmodels.reward_augmentation.reference` does the
same one sequence at a time.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.reward_augmentation.payoff import Payoff
from tfmodels.reward_augmentation.payoff import check
from tfmodels.reward_augmentation.payoff import log_counts

_ROUNDS = 24
_HALF = 31
"""Bits of each of the two numbers that a counter gives."""
COUNT, REPLACED, INSERTED = range(3)
"""What numbers are drawn for: each has counters of its own."""
_PURPOSES = 4


class Sampled(NamedTuple):
    """Outputs drawn for b references."""

    ids: tf.Tensor
    """int32 [b, T'], 0 from each length on; T' = T for the Hamming reward."""
    lengths: tf.Tensor
    """int32 [b], tokens that are not padding."""
    distance: tf.Tensor
    """int32 [b], number of edits; the edit distance is at most that."""
    log_prob: tf.Tensor
    """float32 [b], log probability of the output under the law of the strata: exact for
    the Hamming reward, for others as if no output could be reached in two ways."""


def random_numbers(keys: tf.Tensor, count: tf.Tensor, purpose: int) -> list[tf.Tensor]:
    """Two independent random numbers for each of `count` places of each row.

    A number depends on its row's key, its place and its purpose alone, not on how many
    rows and places there are. The cipher is that of `trainers.data.stream.permute`.

    Args:
      keys: uint32 [b, 3], themselves random.
      count: int32 [], places n.
      purpose: one of the module's constants.

    Returns:
      Two int64 [b, n], from 0 to 2**31 - 1.
    """
    places = tf.range(tf.cast(count, tf.int64)) * _PURPOSES + purpose
    rows = tf.shape(keys)[0]
    drawn = tf.raw_ops.RandomIndexShuffle(
        index=tf.tile(places, [rows]),
        seed=tf.repeat(keys, count, axis=0),
        max_index=tf.constant(2 ** (2 * _HALF) - 1, tf.int64),
        rounds=_ROUNDS,
    )
    drawn = tf.reshape(drawn, [rows, count])
    return [tf.bitwise.right_shift(drawn, np.int64(_HALF)), drawn % 2**_HALF]


class Sampler(tf.Module):
    """Draws outputs; ordinary tokens are edited, all others stay where they are.

    Args:
      payoff: the distribution; its `tau` is not looked at, since it is passed with each
        call. The reward and `max_edits` count ordinary tokens.
      first: number of the first ordinary token; they have consecutive numbers.
      max_length: most tokens of a reference that may be edited.

    Raises:
      ConfigError: there are not two tokens to choose from.
    """

    def __init__(self, payoff: Payoff, first: int, max_length: int) -> None:
        super().__init__(name="raml_sampler")
        check(payoff)
        self._payoff = payoff
        self._first = first
        self._max_length = max_length
        rows = [log_counts(payoff, length) for length in range(max_length + 1)]
        table = np.full([len(rows), max(map(len, rows))], -np.inf)
        for length, row in enumerate(rows):
            table[length, : len(row)] = row
        self._log_counts = table

    def __call__(
        self,
        ids: tf.Tensor,
        lengths: tf.Tensor,
        editable: tf.Tensor,
        keys: tf.Tensor,
        tau: tf.Tensor,
        tail: int = 0,
        is_reference: tf.Tensor | None = None,
    ) -> Sampled:
        """Draws an output for each reference.

        Args:
          ids: int32 [b, T], references.
          lengths: int32 [b], their tokens; what is after them is padding.
          editable: bool [b, T], tokens that may be edited; only ordinary ones are.
          keys: uint32 [b, 3], random, one for each draw.
          tau: floating-point [] or [b], the temperature.
          tail: so many last tokens of each reference stay at its end, such as one that
            ends sentences.
          is_reference: bool [b], outputs that shall be the reference itself.
        """
        ids, lengths = tf.cast(ids, tf.int32), tf.cast(lengths, tf.int32)
        place = tf.range(tf.shape(ids)[1])[None]
        body = place < lengths[:, None] - tail
        ordinary = (ids >= self._first) & (ids - self._first < self._payoff.num_tokens)
        editable = editable & body & ordinary
        length = tf.math.count_nonzero(editable, axis=1, dtype=tf.int32)
        with tf.control_dependencies([self._check(length)]):
            distance, log_prob = self._distances(length, keys, tau, is_reference)
        if self._payoff.edits == "hamming":
            chosen, token = self._replaced(ids, editable, distance, keys)
            ids = tf.where(chosen, token, ids)
            ids = tf.where(place < lengths[:, None], ids, 0)
            return Sampled(ids, lengths, distance, log_prob)
        count = _num_replaced(length, distance, keys)
        chosen, token = self._replaced(ids, editable, count, keys)
        old = _Items(ids, editable & ~chosen, body, place < lengths[:, None])
        old = old._replace(ids=tf.where(chosen, token, ids))
        old = old._replace(present=old.present & (old.ids >= 0))
        return Sampled(*self._joined(old, distance - count, keys), distance, log_prob)

    def _check(self, length: tf.Tensor) -> tf.Operation:
        return tf.debugging.assert_less_equal(
            length,
            self._max_length,
            "a target is too long to draw changes of it; raise objective.max_tokens",
        )

    def _distances(
        self,
        length: tf.Tensor,
        keys: tf.Tensor,
        tau: tf.Tensor,
        is_reference: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Numbers of edits, int32 [b], and log probabilities of the outputs."""
        choices, author = self._payoff.choices, self._payoff.units == "author"
        scale = 1 + np.log(choices) if author else np.float64(1)
        cost = tf.broadcast_to(scale / tf.cast(tau, tf.float64), tf.shape(length))
        counts = tf.gather(self._log_counts, length)
        number = tf.range(counts.shape[1], dtype=tf.float64)
        log_pmf = tf.nn.log_softmax(counts - cost[:, None] * number)
        distance = _draw(tf.exp(log_pmf), random_numbers(keys, 1, COUNT)[0])
        if is_reference is not None:
            distance = tf.where(is_reference, 0, distance)
        at = tf.gather(log_pmf - counts, distance, batch_dims=1)
        return distance, tf.cast(at, tf.float32)

    def _replaced(
        self, ids: tf.Tensor, editable: tf.Tensor, count: tf.Tensor, keys: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Which tokens are replaced, bool [b, T], and by what, -1 for nothing."""
        order, number = random_numbers(keys, tf.shape(ids)[1], REPLACED)
        chosen = _subset(order, editable, count)
        token = tf.cast(_scaled(number, self._payoff.choices), tf.int32)
        # Of the v choices that a replacement has, the last one is nothing.
        nothing = token == self._payoff.num_tokens - 1
        other = self._first + token + tf.cast(token >= ids - self._first, tf.int32)
        return chosen, tf.where(nothing, -1, other)

    def _joined(
        self, old: "_Items", count: tf.Tensor, keys: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Old tokens with `count` inserted, ids and lengths.

        Kept and inserted tokens alternate in one of all equally likely ways. In a gap
        between kept tokens, replaced ones come first.
        """
        kept = tf.cast(old.kept, tf.int32)
        slots = tf.reduce_sum(kept, axis=1) + count
        # The cipher takes no empty vector.
        width = tf.reduce_max(tf.concat([slots, [1]], axis=0))
        slot = tf.range(width)[None]
        order, number = random_numbers(keys, width, INSERTED)
        inserted = _subset(order, slot < slots[:, None], count)
        token = self._first + tf.cast(
            _scaled(number, self._payoff.num_tokens), tf.int32
        )
        gap = slot - tf.cumsum(tf.cast(inserted, tf.int32), axis=1, exclusive=True)
        columns = tf.shape(old.ids)[1] + width
        rank = 3 * tf.cumsum(kept, axis=1, exclusive=True) + 2 * kept
        # The tail is after everything.
        rank = tf.where(old.body, rank, 3 * columns)
        rank = tf.concat([rank, 3 * gap + 1], axis=1)
        present = tf.concat([old.present, inserted], axis=1)
        rank = tf.where(present, rank, tf.int32.max)
        lengths = tf.math.count_nonzero(present, axis=1, dtype=tf.int32)
        longest = tf.reduce_max(tf.concat([lengths, [0]], axis=0))
        place = tf.argsort(rank, axis=1, stable=True)[:, :longest]
        ids = tf.concat([old.ids, tf.broadcast_to(token, tf.shape(gap))], axis=1)
        ids = tf.gather(ids, place, batch_dims=1)
        return tf.where(tf.sequence_mask(lengths, longest), ids, 0), lengths


class _Items(NamedTuple):
    """Tokens of the references after replacement, [b, T]."""

    ids: tf.Tensor
    """int32, -1 for nothing."""
    kept: tf.Tensor
    """bool, neither replaced nor protected: insertions have a gap on each side."""
    body: tf.Tensor
    """bool, not of the tail or padding."""
    present: tf.Tensor
    """bool, there in the output."""


def _num_replaced(length: tf.Tensor, distance: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """How many of the edits are replacements, int32 [b].

    s with probability ``C(m, s) C(m + e - 2s, e - s) / S(e, m)``.
    """
    m, e = length[:, None], distance[:, None]
    s = tf.range(tf.reduce_max(tf.concat([length, [0]], axis=0)) + 1)[None]
    possible = (s <= m) & (s <= e)
    s = tf.where(possible, s, 0)
    most = tf.reduce_max(tf.concat([length + distance, [0]], axis=0))
    table = tf.math.lgamma(tf.cast(tf.range(most + 1), tf.float64) + 1)

    def log_factorial(number: tf.Tensor) -> tf.Tensor:
        return tf.gather(table, number)

    log_ways = (
        log_factorial(m)
        - log_factorial(s)
        + log_factorial(m + e - 2 * s)
        - log_factorial(e - s)
        - 2 * log_factorial(m - s)
    )
    ways = tf.where(possible, log_ways, tf.constant(-np.inf, tf.float64))
    return _draw(tf.nn.softmax(ways), random_numbers(keys, 1, COUNT)[1])


def _draw(pmf: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Inverts cumulative sums of float64 [b, n] at int64 [b, 1] of 31 bits."""
    level = (tf.cast(number, tf.float64) + 0.5) / 2.0**_HALF
    passed = tf.cumsum(pmf, axis=1) <= level
    return tf.math.count_nonzero(passed, axis=1, dtype=tf.int32)


def _scaled(number: tf.Tensor, size: int) -> tf.Tensor:
    """Uniform from 0 to `size` - 1, of numbers of 31 bits."""
    return tf.bitwise.right_shift(number * size, np.int64(_HALF))


def _subset(order: tf.Tensor, allowed: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Those `count` [b] of the allowed places [b, n] whose numbers are the smallest."""
    width = tf.shape(order, tf.int64)[1]
    # No two are equal.
    order = order * width + tf.range(width)
    order = tf.where(allowed, order, tf.int64.max)
    ordered = tf.pad(tf.sort(order, axis=1), [[0, 0], [1, 0]], constant_values=-1)
    return allowed & (order <= tf.gather(ordered, count, batch_dims=1)[:, None])
