"""Utterances of a split in buckets, in the order in which a replica gets them.

The one place for recognisers' splits and synthesisers' ones: what fits where, which
order that makes, and which records a pipeline reads.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.data.speech.order import BucketOrder
from trainers.data.speech.order import owned
from trainers.interfaces import Shard


def first_that_fits(sizes: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Number of the first bucket that each utterance fits into, int64 [n]; -1: none.

    Args:
      sizes: int64 [n, 2], frames and units.
      shapes: int64 [buckets, 2], most of both.
    """
    fits = np.all(sizes[:, None] <= shapes, axis=-1)
    return np.where(fits.any(axis=1), fits.argmax(axis=1), -1)


class Arranged:
    """A split whose utterances are in buckets.

    Subclasses set all of these; varieties have quotas in an epoch.
    """

    bucket: np.ndarray
    """Which bucket each utterance is in, int64 [n]; -1 if it is left out."""
    shapes: np.ndarray
    """Frames and units of each bucket, int64 [buckets, 2]."""
    is_training: bool
    _config: Any
    kinds: np.ndarray
    """The number of each utterance's variety, int64 [n]."""

    def order_of(self, mine: np.ndarray) -> BucketOrder:
        """The order of some of the utterances, bool [n]."""
        training = self.is_training
        return BucketOrder(
            np.where(mine, self.bucket, -1),
            self.kinds,
            len(self.shapes),
            self._config,
            self._config.sampling_temperature if training else 1.0,
            drop=training,
        )

    @functools.cached_property
    def order(self) -> BucketOrder:
        """In which order all are visited."""
        return self.order_of(np.ones(len(self.bucket), bool))


def records_of(
    split: Arranged, speakers: Sequence[str], seed: int, shard: Shard, start: int
) -> tuple[BucketOrder, tf.data.Dataset]:
    """The order of a pipeline's utterances and its records, see `Stream`.

    Args:
      split: endless from `start` on if it is for training, else one pass.
      speakers: of each utterance.
      seed: origin of the order.
      shard: the share of every global batch that is wanted, or of the speakers.
      start: first step.

    Raises:
      ConfigError: there are fewer speakers than pipelines.
    """
    order, share = split.order, shard
    if shard.own:
        order, share = split.order_of(owned(speakers, shard)), Shard()
    stream = order.stream(seed)
    if split.is_training:
        return order, stream.endless(share, start)
    return order, stream.single_pass(share)
