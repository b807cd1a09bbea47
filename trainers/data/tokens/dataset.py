"""Batches of token sequences, from any source, for one replica at a time."""

import tensorflow as tf

from trainers.data.config import Data
from trainers.data.stream import Stream
from trainers.data.tokens.sources import TokenSource
from trainers.interfaces import Shard

_SINGLE = Shard()

# Above the seeds of runs: generated sequences of no run are those it is tested on.
_HELD_OUT_SEED = 2**31


def token_dataset(
    source: TokenSource,
    config: Data,
    split: str,
    seed: int = 0,
    shard: Shard = _SINGLE,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches of one replica each, deterministic and all of one static shape.

    What `TokenSource.read` makes of the records of a `Stream`, with weight 0 in rows
    that only fill a batch up, and the records' ``seed`` and ``epoch``. Training
    visits the sequences in a new random order each epoch.

    Args:
      source: what `open_tokens` returned.
      config: how batches are made.
      split: "train" never ends; any other name is one pass in order, the same for every
        seed.
      seed: origin of the order and of generated training sequences.
      shard: the share of every global batch that is wanted.
      start: first step, for "train".

    Raises:
      ConfigError: the batch size does not suit.
    """
    training = split == "train"
    stream = Stream(
        source.size,
        config.batch_size,
        config.last_batch,
        seed=seed if training else _HELD_OUT_SEED,
    )
    records = stream.endless(shard, start) if training else stream.single_pass(shard)

    def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        batch = source.read(record["index"], record["seed"])
        valid = tf.cast(record["valid"], tf.float32)
        batch["weight"] *= valid[:, None]
        return {**batch, "seed": record["seed"], "epoch": record["epoch"]}

    return records.map(read, tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )
