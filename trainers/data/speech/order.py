"""In which order utterances are visited, so that those of a batch are of one shape.

A pure function of seed and step, as `trainers.data.stream` demands. An epoch has whole
batches of each bucket, in random order; within a bucket varieties have their quotas.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.data.config import Data
from trainers.data.stream import Stream
from trainers.data.stream import numbers_in_turn
from trainers.data.stream import permute
from trainers.interfaces import Shard


class Place(NamedTuple):
    """Which utterances a replica's batch has."""

    index: tf.Tensor
    """int64 [b], numbers in the split."""
    valid: tf.Tensor
    """bool [b], False in rows that only fill the batch up."""
    bucket: tf.Tensor
    """int64 [], of all of them."""


class BucketOrder:
    """The order of a split's utterances."""

    def __init__(
        self,
        bucket: np.ndarray,
        variety: np.ndarray,
        num_buckets: int,
        data: Data,
        temperature: float = 1.0,
        drop: bool = False,
    ) -> None:
        """Counts buckets and varieties.

        Args:
          bucket: int64 [n], of each utterance; -1 for those that are left out.
          variety: int64 [n].
          num_buckets: how many there are.
          data: batch size and what becomes of incomplete batches.
          temperature: an epoch has varieties in proportion to their sizes to the power
            of one over this.
          drop: whether `last_batch` may leave out incomplete batches.

        Raises:
          ConfigError: a bucket that utterances are in does not fill a batch, and
            incomplete ones are left out.
        """
        self._batch = data.batch_size
        used = np.flatnonzero(bucket >= 0)
        kinds = int(variety.max(initial=0)) + 1
        cell = bucket * kinds + variety
        ordered = used[np.argsort(cell[used], kind="stable")]
        self._examples = tf.constant(ordered, tf.int64)
        self._sizes = np.bincount(cell[used], minlength=num_buckets * kinds)
        self._quotas = _quotas(self._sizes.reshape(num_buckets, kinds), temperature)
        totals = self._quotas.reshape(num_buckets, kinds).sum(axis=1)
        dropping = drop and data.last_batch == "drop"
        steps = totals // self._batch if dropping else -(-totals // self._batch)
        if np.any((steps == 0) & (totals > 0)):
            raise ConfigError(
                "a bucket does not fill a single batch. Expected data.batch_size of at"
                f" most {totals[totals > 0].min()} with data.last_batch: drop. Received"
                f" data.batch_size: {self._batch}; lower it, or set data.last_batch:"
                " pad."
            )
        self._totals, self._steps = totals, steps
        self.steps_per_epoch = int(steps.sum())
        """Batches of all buckets."""

    def stream(self, seed: int) -> Stream:
        """Records of the places in an epoch's batches, all batches full."""
        return Stream(
            self.steps_per_epoch * self._batch, self._batch, shuffle=False, seed=seed
        )

    def place(self, slot: tf.Tensor, epoch: tf.Tensor, seed: int | None) -> Place:
        """What is in places of an epoch.

        Args:
          slot: int64 [b], all of one batch.
          epoch: int64 [b].
          seed: origin of the order; as it is stored when None.
        """
        step, row = slot[0] // self._batch, slot % self._batch
        keys = None if seed is None else _keys(seed, epoch[0])
        if keys is not None:
            step = permute(step[None], self.steps_per_epoch, keys[0])[0]
        ends = tf.constant(np.cumsum(self._steps), tf.int64)
        bucket = tf.searchsorted(ends, step[None], side="right", out_type=tf.int64)[0]
        before = tf.gather(tf.constant(np.cumsum(self._steps) - self._steps), bucket)
        total = tf.gather(tf.constant(self._totals), bucket)
        position = (step - before) * self._batch + row
        within = position % total
        if keys is not None:
            within = permute(within, total, keys[1])
        first = tf.constant(np.cumsum(self._totals) - self._totals)
        number = numbers_in_turn(
            tf.gather(first, bucket) + within, epoch, self._sizes, self._quotas
        )
        return Place(tf.gather(self._examples, number), position < total, bucket)


def owned(speakers: Sequence[str], shard: Shard) -> np.ndarray:
    """Which utterances a pipeline owns, bool [n]: all of some speakers.

    Raises:
      ConfigError: there are fewer speakers than pipelines.
    """
    names = sorted(set(speakers))
    if shard.count > len(names):
        raise ConfigError(
            f"nothing is left for some of the {shard.count} workers to learn from."
            f" Expected at most {len(names)} of them, one for each speaker. Received"
            f" {shard.count}; start fewer."
        )
    mine = set(names[shard.index :: shard.count])
    return np.array([speaker in mine for speaker in speakers])


def _quotas(sizes: np.ndarray, temperature: float) -> np.ndarray:
    """Utterances of buckets and varieties in an epoch, int64 [buckets * varieties]."""
    of_variety = sizes.sum(axis=0).astype(np.float64)
    there = of_variety > 0
    weights = np.where(there, of_variety ** (1 / temperature), 0)
    visits = weights / weights.sum() * of_variety.sum() / np.where(there, of_variety, 1)
    bounds = np.cumsum((sizes * visits).ravel())
    quotas = np.diff(np.rint(bounds), prepend=0).astype(np.int64)
    # Each is visited sometimes, and none that is not there.
    return np.where(sizes.ravel() > 0, np.maximum(quotas, 1), 0)


def _keys(seed: int, epoch: tf.Tensor) -> list[tf.Tensor]:
    """Two keys for `permute`."""
    origin = tf.stack([tf.constant(seed, tf.int64), epoch])
    other = tf.random.experimental.stateless_fold_in(origin, 1)
    keys = tf.random.stateless_uniform(
        [2, 3], other, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    return tf.unstack(keys)
