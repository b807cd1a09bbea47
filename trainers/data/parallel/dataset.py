"""Batches of sentences and translations, similar in length, for one replica each."""

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.text.vocabulary import START
from trainers.data.parallel.config import ParallelData
from trainers.data.parallel.sources import Examples
from trainers.data.parallel.sources import ParallelSource
from trainers.data.stream import Stream
from trainers.data.stream import batches_per_step
from trainers.data.stream import numbers_in_turn
from trainers.interfaces import Shard

_SINGLE = Shard()


def parallel_dataset(
    source: ParallelSource,
    config: ParallelData,
    split: str,
    seed: int = 0,
    shard: Shard = _SINGLE,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches of one replica each, deterministic; each as long as its longest pair.

    A batch has ``source`` int32 [b, S], ``target`` int32 [b, T], which begins with the
    start, ``label`` int32 [b, T], which ends with the end, all padded with 0;
    ``weight`` float32 [b, T], 1 for labels of rows that count; and ``index`` int64 [b],
    the pairs' numbers in `ParallelSource.references` where the split is held out;
    ``seed`` int64 [b, 2] and ``epoch`` int64 [b], as in `Stream`.

    Training takes the batches of `pool` steps together, sorts their pairs by length,
    cuts them anew and visits these in random order: still a function of seed and step.
    The rows that fill up an epoch's last batch are spread over those. Held-out splits
    are in the order of their lengths, whatever the seed.

    Args:
      source: what `open_parallel` returned.
      config: how batches are made.
      split: "train" never ends; any other name is one pass.
      seed: origin of the order.
      shard: the share of every global batch that is wanted.
      start: first step, for "train".

    Raises:
      ConfigError: the batch size does not suit, or replicas are to own pairs of corpora
        that are not visited equally often.
      DataError: the split cannot be read.
    """
    examples = source.examples(split)
    stream = Stream(examples.size, config.batch_size, config.last_batch, seed=seed)
    if split == "train":
        records = _pooled(source, config, stream, shard, start)
    else:
        order = tf.constant(np.argsort(_lengths(examples), kind="stable"))
        records = stream.single_pass(shard).map(
            lambda r: {**r, "index": tf.gather(order, r["index"])}
        )

    def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        index, valid = record["index"], tf.cast(record["valid"], tf.float32)
        label = examples.target.read(index)
        is_real = tf.cast(label != 0, tf.int32)
        starts = tf.fill([index.shape[0], 1], START)
        return {
            "source": examples.source.read(index),
            "target": tf.concat([starts, label[:, :-1]], axis=1) * is_real,
            "label": label,
            "weight": tf.cast(is_real, tf.float32) * valid[:, None],
            "index": index,
            "seed": record["seed"],
            "epoch": record["epoch"],
        }

    return records.map(read, tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )


def _lengths(examples: Examples) -> np.ndarray:
    return np.maximum(examples.source.lengths, examples.target.lengths)


def _pooled(
    source: ParallelSource,
    config: ParallelData,
    stream: Stream,
    shard: Shard,
    start: int,
) -> tf.data.Dataset:
    """Numbers of pairs, int64 [b], and which of them count, of each batch."""
    examples, quotas = source.examples("train"), source.quotas
    sizes = np.array(examples.counts.sizes)
    if shard.own and not np.array_equal(sizes, quotas):
        raise ConfigError(
            "replicas that own their pairs visit all equally often. Expected"
            " data.sampling_exponent: 1 with a strategy whose replicas do not wait for"
            f" one another. Received {quotas.tolist()} pairs in an epoch of corpora of"
            f" {sizes.tolist()}."
        )
    batch, pool = config.batch_size, config.pool
    # Whole global batches, of which this pipeline's replicas take their rows.
    mine = _SINGLE if shard.own else shard
    slots = batches_per_step(batch, mine)
    first = mine.index * slots
    whole = shard if shard.own else _SINGLE

    def arrange(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        slot, epoch, valid = (
            tf.reshape(record[name], [-1]) for name in ("index", "epoch", "valid")
        )
        seed = tf.reshape(record["seed"], [-1, 2])
        index = numbers_in_turn(slot, epoch, sizes, quotas)
        length = tf.maximum(
            examples.source.read_lengths(index), examples.target.read_lengths(index)
        )
        # Invalid rows come last; what fills up a batch is taken from its own rows.
        length = tf.where(valid, length, length.dtype.max)
        ordered = tf.argsort(length, stable=True)
        bounds = tf.range(pool + 1) * tf.math.count_nonzero(valid, dtype=tf.int32)
        bounds = bounds // pool
        counts = (bounds[1:] - bounds[:-1])[:, None]
        row = tf.range(batch)[None, :]
        rows = tf.gather(ordered, bounds[:-1, None] + row % counts)
        draws = tf.random.stateless_uniform([pool], record["seed"][0, 0], alg="philox")
        shuffled = tf.argsort(draws)
        rows = tf.gather(rows, shuffled)
        result = {
            "index": tf.gather(index, rows),
            "valid": tf.gather(row < counts, shuffled),
            "epoch": tf.gather(epoch, rows),
            "seed": tf.gather(seed, rows),
        }
        # Every replica gets rows of all lengths of the batch, so that none waits.
        shape = [pool, batch // mine.replicas, mine.replicas]
        return {
            name: tf.experimental.numpy.swapaxes(
                tf.reshape(value, [*shape, *value.shape[2:]]), 1, 2
            )[:, first : first + slots]
            for name, value in result.items()
        }

    begin = start // pool * pool
    pools = stream.endless(whole, begin).batch(pool).map(arrange, tf.data.AUTOTUNE)
    return pools.unbatch().skip(start - begin).unbatch()
