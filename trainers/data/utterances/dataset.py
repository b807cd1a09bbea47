"""Batches of utterances, from any source, for one replica at a time."""

import tensorflow as tf

from trainers.data.config import UtteranceData
from trainers.data.stream import Stream
from trainers.data.utterances.sources import UtteranceSource
from trainers.interfaces import Shard

_SINGLE = Shard()


def utterance_dataset(
    source: UtteranceSource,
    config: UtteranceData,
    split: str,
    seed: int = 0,
    shard: Shard = _SINGLE,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches of one replica each, deterministic and all of one static shape.

    What `UtteranceSource.read` makes of the records of a `Stream`, with ``index`` int64
    [b], the utterances' numbers, and ``weight`` float32 [b], 0 in rows that only fill a
    batch, or a speaker's share, up. Training visits the utterances in a new random
    order each epoch. A pipeline with a share of its own has speakers of its own: no
    other pipeline, in any epoch, sees an utterance of theirs (US11227582, claim 1).

    Args:
      source: what `open_utterances` returned.
      config: how batches are made.
      split: "train" never ends; any other name is one pass in order.
      seed: origin of the order.
      shard: what is wanted of every global batch, or of the speakers.
      start: first step, for "train".

    Raises:
      ConfigError: the batch size or the number of speakers does not suit.
    """
    stream = Stream(
        source.size,
        config.batch_size,
        config.last_batch,
        seed=seed,
        num_groups=source.num_speakers,
    )
    training = split == "train"
    records = stream.endless(shard, start) if training else stream.single_pass(shard)

    def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        batch = source.read(record["index"])
        there = record["valid"] & batch.pop("exists", True)
        weight = tf.cast(there, tf.float32)
        return {**batch, "index": record["index"], "weight": weight}

    return records.map(read, tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )
