"""Which examples each step sees: a pure function of the seed and the step."""

import dataclasses
from typing import Literal

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.interfaces import Shard

_ROUNDS = 24
_SEED_RANGE = 2**32


@dataclasses.dataclass(frozen=True)
class Stream:
    """The order in which a set of numbered examples is visited, cut into batches.

    Nothing is remembered between steps: the batch of step s follows from the seed and
    s alone. So a run resumes at any step at once, and the global batch is the same
    however many replicas and input pipelines share it.

    A record holds, for the b examples of one replica's batch, ``index`` int64 [b],
    ``epoch`` int64 [b], ``valid`` bool [b] and ``seed`` int64 [b, 2]. ``valid`` is
    False for rows that only fill a batch up; they repeat examples of the same epoch,
    because batch normalization sees them. ``seed`` is random, from 0 to 2**32 - 1, and
    depends on the stream's seed, the epoch and the index alone: a seed for all that is
    random about the example.
    """

    num_examples: int
    """How many examples there are, at least 1."""
    batch_size: int
    """Examples in the global batch of one step."""
    last_batch: Literal["drop", "pad"] = "pad"
    """What becomes of the incomplete batch at the end of a training epoch."""
    shuffle: bool = True
    """Visit training examples in a new random order each epoch."""
    seed: int = 0
    """Origin of the order and of the records' seeds."""
    num_groups: int | None = None
    """Example i is of group i modulo this number, which divides `num_examples`; a group
    (a speaker's utterances) has a single owner. Each example by itself when absent."""

    @property
    def steps_per_epoch(self) -> int:
        """See the function of the same name."""
        return steps_per_epoch(self.num_examples, self.batch_size, self.last_batch)

    def endless(self, shard: Shard, start: int) -> tf.data.Dataset:
        """Training records from step `start` on, for the replicas of one pipeline.

        Raises:
          ConfigError: `data.batch_size` cannot be shared equally by the replicas, the
            examples do not fill it, or none of them is left for this pipeline to own.
        """
        return self._records(shard, start, endless=True)

    def single_pass(self, shard: Shard) -> tf.data.Dataset:
        """Every example once, in order, the last batch filled up with invalid rows.

        Raises:
          ConfigError: `data.batch_size` cannot be shared equally by the replicas, or no
            example is left for this pipeline to own.
        """
        whole = dataclasses.replace(self, last_batch="pad", shuffle=False)
        return whole._records(shard, 0, endless=False)

    def _records(self, shard: Shard, start: int, endless: bool) -> tf.data.Dataset:
        size = self._num_owned(shard) if shard.own else self.num_examples
        share = Shard() if shard.own else shard
        batches = batches_per_step(self.batch_size, share)
        rows_per_batch = self.batch_size // share.replicas
        steps = steps_per_epoch(size, self.batch_size, self.last_batch)

        def record(number: tf.Tensor) -> dict[str, tf.Tensor]:
            step = number // batches
            slot = share.index * batches + number % batches
            rows = slot * rows_per_batch + tf.range(rows_per_batch, dtype=tf.int64)
            epoch = step // steps
            position = (step % steps) * self.batch_size + rows
            order, *seeds = _epoch_keys(self.seed, epoch)
            index = position % size
            if self.shuffle:
                index = permute(index, size, order)
            if shard.own:
                index = self._owned(index, shard)
            return {
                "index": index,
                "epoch": tf.fill([rows_per_batch], epoch),
                "valid": position < size,
                "seed": tf.stack([permute(index, _SEED_RANGE, k) for k in seeds], -1),
            }

        stop = tf.int64.max if endless else steps * batches
        numbers = tf.data.Dataset.range(start * batches, stop)
        return numbers.with_options(untuned()).map(record)

    def _num_owned(self, shard: Shard) -> int:
        """How many examples are of the groups that a pipeline owns."""
        groups = self.num_groups or self.num_examples
        if shard.count > groups:
            raise ConfigError(
                f"nothing is left for some of the {shard.count} workers to learn from."
                f" Expected at most {groups} of them, one for each speaker, or example"
                f" where there are no speakers. Received {shard.count}; start fewer."
            )
        owned = len(range(shard.index, groups, shard.count))
        return owned * (self.num_examples // groups)

    def _owned(self, position: tf.Tensor, shard: Shard) -> tf.Tensor:
        """Examples, int64 [n], at positions among those that a pipeline owns."""
        groups = self.num_groups or self.num_examples
        owned = len(range(shard.index, groups, shard.count))
        group = shard.index + shard.count * (position % owned)
        return group + groups * (position // owned)


def untuned() -> tf.data.Options:
    """Options of whatever is made of a dataset: AUTOTUNE is as many as there are cores.

    What tunes a pipeline while it runs has a thread, for which the end of an iterator
    may wait up to a minute (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def steps_per_epoch(
    num_examples: int, batch_size: int, last_batch: Literal["drop", "pad"]
) -> int:
    """Steps in one pass over the training examples.

    Raises:
      ConfigError: the incomplete batch is dropped, and there is no other.
    """
    if last_batch == "pad":
        return -(-num_examples // batch_size)
    if num_examples < batch_size:
        raise ConfigError(
            "the training split does not fill a single batch. Expected data.batch_size"
            f" of at most {num_examples} with data.last_batch: drop. Received"
            f" data.batch_size: {batch_size}; lower it or set data.last_batch: pad."
        )
    return num_examples // batch_size


def permute(index: tf.Tensor, size: int | tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Maps every index to another one of a keyed pseudorandom permutation, in O(1).

    The cipher is Simon (Beaulieu et al., 2013), cut down to the size by cycle walking.
    The public ``tf.random.experimental.index_shuffle`` is the same operation fixed at 4
    rounds, after which neighbouring keys still give visibly related permutations.

    Args:
      index: int64 [n], each in ``[0, size)``.
      size: number of elements that are permuted, an int or int64 [].
      key: uint32 [3]. Only the low bits of each word count (8 for small sizes), so the
        words must themselves be random.

    Returns:
      int64 [n], each in ``[0, size)``.
    """
    last = tf.cast(size - 1, tf.int64)
    return tf.raw_ops.RandomIndexShuffle(
        index=index, seed=key, max_index=last, rounds=_ROUNDS
    )


def numbers_in_turn(
    place: tf.Tensor, epoch: tf.Tensor, sizes: np.ndarray, quotas: np.ndarray
) -> tf.Tensor:
    """Examples in the places of an epoch, of which each set of them has its share.

    From one epoch to the next a set goes on where it was, so that all its examples are
    visited equally often.

    Args:
      place: int64 [n], from 0 to one less than all quotas.
      epoch: int64 [n].
      sizes: int64 [sets], examples of each, which are numbered one set after another.
      quotas: int64 [sets], examples of each set in an epoch.

    Returns:
      int64 [n].
    """
    bounds = tf.constant(np.cumsum(quotas))
    part = tf.searchsorted(bounds, place, side="right")
    within = place - tf.gather(bounds - quotas, part)
    visited = epoch * tf.gather(tf.constant(quotas), part) + within
    number = visited % tf.gather(tf.constant(sizes), part)
    return number + tf.gather(tf.constant(np.cumsum(sizes) - sizes), part)


def _epoch_keys(seed: int, epoch: tf.Tensor) -> list[tf.Tensor]:
    origin = tf.stack([tf.constant(seed, tf.int64), epoch])
    keys = tf.random.stateless_uniform(
        [3, 3], origin, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    return tf.unstack(keys)


def batches_per_step(batch_size: int, shard: Shard) -> int:
    """Batches that an input pipeline delivers for one step, one for each replica.

    Raises:
      ConfigError: the global batch cannot be shared equally.
    """
    if batch_size % shard.replicas or shard.replicas % shard.count:
        raise ConfigError(
            "the global batch cannot be shared equally. Expected data.batch_size to be"
            f" a multiple of the {shard.replicas} replicas and micro-batches of a step,"
            f" and these to be spread evenly over {shard.count} input pipeline(s)."
            f" Received data.batch_size: {batch_size}."
        )
    return shard.replicas // shard.count
