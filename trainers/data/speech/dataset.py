"""Batches of speech with transcripts, of the shape of their bucket, for one replica."""

from typing import Any

import tensorflow as tf

from tfmodels.audio.spec_augment import SpecAugment
from tfmodels.text.graphemes import START
from trainers.data.speech.arranged import records_of
from trainers.data.speech.sources import SpeechSource
from trainers.interfaces import Shard

_SINGLE = Shard()
# Apart from the draws of masks, which have the seed itself.
_UNIFORM = 1


def speech_dataset(
    source: SpeechSource,
    config: Any,
    split: str,
    seed: int = 0,
    shard: Shard = _SINGLE,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches of one replica each, deterministic; all rows of one bucket's shape.

    A batch has ``features`` float32 [b, T, D], 0 behind the end; ``lengths`` int32 [b],
    in frames; ``variety`` float32 [b, K], what the model is told: one 1, or in training
    at times all equal; ``variety_id`` int32 [b]; ``target`` int32 [b, U], which begins
    with the start, ``label`` int32 [b, U], which ends with the end, both padded with 0;
    ``weight`` float32 [b, U], 1 for labels of rows that count; ``variety_label`` int32
    [b, U], the variety of each label; ``index`` int64 [b], the utterances' numbers in
    the split; ``seed`` int64 [b, 2] and ``epoch`` int64 [b], as in `Stream`. Where some
    may be unreadable, ``bad`` float32 [b] is 1 for those, whose features and weights
    are 0.

    Which bucket a batch is of follows from the seed and its step; the batches of all
    replicas of a step are of the same. Held-out splits have all their utterances, those
    longer than any bucket in one of their own.

    Args:
      source: what `open_speech` returned.
      config: the section `data`.
      split: "train" never ends; any other name is one pass.
      seed: origin of the order.
      shard: the share of every global batch that is wanted, or of the speakers.
      start: first step, for "train".

    Raises:
      ConfigError: the batch size or the number of speakers does not suit.
      DataError: the split cannot be read.
    """
    training = split == "train"
    chosen = source.split(split)
    speakers = [each.speaker for each in source.utterances(split)]
    order, records = records_of(chosen, speakers, seed, shard, start)
    features = chosen.features()
    masks = SpecAugment(config.masks) if training and config.masks else None
    shapes = tf.constant(chosen.shapes, tf.int32)
    varieties = tf.constant(chosen.variety, tf.int32)
    told = config.uniform_variety if training else 0.0

    def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        place = order.place(
            record["index"], record["epoch"], seed if training else None
        )
        index, seeds = place.index, record["seed"]
        frames, units = tf.unstack(tf.gather(shapes, place.bucket), num=2)
        sound, lengths = features.read(index, seeds, frames)
        rows = record["index"].shape[0]
        sound = tf.ensure_shape(sound, [rows, None, source.feature_dim])
        valid, bad = tf.cast(place.valid & record["valid"], tf.float32), {}
        if config.max_bad_fraction:
            unreadable = tf.reduce_any(tf.math.is_nan(sound), axis=[1, 2])
            sound = tf.where(unreadable[:, None, None], 0.0, sound)
            bad["bad"] = valid * tf.cast(unreadable, tf.float32)
            valid -= bad["bad"]
        if masks is not None:
            sound = masks(sound, lengths, seeds)
        label = chosen.labels.read(index)
        label = tf.pad(label, [[0, 0], [0, units - tf.shape(label)[1]]])
        is_real = tf.cast(label != 0, tf.int32)
        starts = tf.fill([rows, 1], START)
        variety = tf.gather(varieties, index)
        return {
            **bad,
            "features": sound,
            "lengths": lengths,
            "variety": _told(variety, seeds, source.num_varieties, told),
            "variety_id": variety,
            "target": tf.concat([starts, label[:, :-1]], axis=1) * is_real,
            "label": label,
            "weight": tf.cast(is_real, tf.float32) * valid[:, None],
            "variety_label": variety[:, None] * is_real,
            "index": index,
            "seed": seeds,
            "epoch": record["epoch"],
        }

    return records.map(read, tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )


def _told(
    variety: tf.Tensor, seeds: tf.Tensor, count: int, probability: float
) -> tf.Tensor:
    """What a model is told of each variety, float32 [b, K], each row of sum 1."""
    right = tf.one_hot(variety, count)
    if not probability:
        return right

    def draw(seed: tf.Tensor) -> tf.Tensor:
        own = tf.random.experimental.stateless_fold_in(seed, _UNIFORM)
        return tf.random.stateless_uniform([], own, alg="philox")

    drawn = tf.map_fn(draw, seeds, fn_output_signature=tf.TensorSpec([], tf.float32))
    return tf.where(drawn[:, None] < probability, 1 / count, right)
