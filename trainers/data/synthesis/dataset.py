"""Batches of texts and the mel spectra of what was said, for one replica."""

import tensorflow as tf

from trainers.data.speech.arranged import records_of
from trainers.data.synthesis.config import SynthesisData
from trainers.data.synthesis.source import SynthesisSource
from trainers.interfaces import Shard

_SINGLE = Shard()


def synthesis_dataset(
    source: SynthesisSource,
    config: SynthesisData,
    split: str,
    seed: int = 0,
    shard: Shard = _SINGLE,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches of one replica each, deterministic; all rows of one bucket's shape.

    A batch has ``symbols`` and ``tones`` int32 [b, N], 0 behind the end;
    ``symbol_lengths`` int32 [b], the end included; ``speaker`` float32 [b, S] and
    ``language`` float32 [b, L], one 1 each; ``mel`` float32 [b, T, M], 0 behind the
    end; ``frames`` int32 [b]; ``token`` int32 [b, T], the number of the symbol that
    each frame is of, -1 where that is not known; ``weight`` float32 [b], 0 in rows that
    only fill up;
    ``index`` int64 [b], the utterances' numbers in the split; ``seed`` int64 [b, 2] and
    ``epoch`` int64 [b], as in `Stream`.

    Args:
      source: what `open_synthesis` returned.
      config: how batches are made.
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
    names = [each.speaker or each.utt for each in chosen.entries]
    order, records = records_of(chosen, names, seed, shard, start)
    features = chosen.features()
    shapes = tf.constant(chosen.shapes, tf.int32)
    speakers = tf.constant(chosen.speaker, tf.int32)
    languages = tf.constant(chosen.language, tf.int32)

    def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        place = order.place(
            record["index"], record["epoch"], seed if training else None
        )
        index, seeds = place.index, record["seed"]
        frames, width = tf.unstack(tf.gather(shapes, place.bucket), num=2)
        mel, lengths = features.read(index, seeds, frames)
        rows = record["index"].shape[0]
        symbols = _filled(chosen.symbols.read(index), width)
        return {
            "symbols": symbols,
            "tones": _filled(chosen.tones.read(index), width),
            "symbol_lengths": tf.math.count_nonzero(symbols, 1, dtype=tf.int32),
            "speaker": tf.one_hot(tf.gather(speakers, index), len(source.speakers)),
            "language": tf.one_hot(tf.gather(languages, index), len(source.languages)),
            "mel": tf.ensure_shape(mel, [rows, None, source.feature_dim]),
            "frames": lengths,
            "token": _filled(chosen.tokens.read(index), frames) - 1,
            "weight": tf.cast(place.valid & record["valid"], tf.float32),
            "index": index,
            "seed": seeds,
            "epoch": record["epoch"],
        }

    return records.map(read, tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )


def _filled(rows: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Rows with zeros up to a width."""
    return tf.pad(rows, [[0, 0], [0, width - tf.shape(rows)[1]]])
