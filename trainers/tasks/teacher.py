"""Spectra as a synthesiser makes them when it hears the recording, for vocoders."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.tacotron.config import TacotronConfig
from trainers.data.synthesis.source import SynthesisSource

_AT_ONCE = 16


def taught_spectra(
    folder: str, source: SynthesisSource, split: str
) -> Callable[..., Any]:
    """What reads spectra of a split in place of the recorded ones.

    Args:
      folder: of the synthesiser's run.
      source: the recordings, of the same symbols, speakers and spectra.
      split: of them.

    Returns:
      A function like `trainers.data.speech.features.Features.read`.

    Raises:
      ConfigError: it is no synthesiser's run, or of other data.
      DataError: the folder holds no run.
    """
    from trainers.runs import load_run

    run: Any = load_run(folder)
    config: Any = run.experiment.model
    if not isinstance(config, TacotronConfig):
        raise ConfigError(
            f"task.teacher: {folder} is no synthesiser. Expected a run of model.kind:"
            f" tacotron. Received model.kind: {config.kind}."
        )
    voices = run.task.voices
    mine = (source.symbols, source.speakers, source.languages, source.front_end.preset)
    if mine != (voices.symbols, voices.speakers, voices.languages, voices.preset):
        raise ConfigError(
            f"task.teacher: {folder} knows other symbols, speakers, languages or"
            " spectra than the data have. Expected those of data. Received a run of"
            f" {run.experiment.data.plain()['manifests']}."
        )
    chosen = source.split(split)
    stored: dict[int, np.ndarray] = {}
    used = np.flatnonzero(chosen.bucket >= 0)
    ordered = used[np.argsort(chosen.lengths[used], kind="stable")]
    for first in range(0, len(ordered), _AT_ONCE):
        index = ordered[first : first + _AT_ONCE]
        made = _taught(run, source, split, index)
        lengths = chosen.lengths[index]
        rows = zip(index.tolist(), made, lengths, strict=True)
        stored |= {number: row[:length] for number, row, length in rows}
    offsets = np.zeros(len(chosen.bucket), np.int64)
    offsets[ordered] = np.cumsum(chosen.lengths[ordered]) - chosen.lengths[ordered]
    everything = tf.constant(np.concatenate([stored[n] for n in ordered.tolist()]))
    places, sizes = tf.constant(offsets), tf.constant(chosen.lengths, tf.int32)

    def read(index: Any, seed: Any, frames: Any) -> tuple[tf.Tensor, tf.Tensor]:
        lengths = tf.gather(sizes, index)
        frame = tf.range(tf.cast(frames, tf.int64))
        place = tf.gather(places, index)[:, None] + frame
        last = tf.shape(everything, tf.int64)[0] - 1
        mel = tf.gather(everything, tf.minimum(place, last))
        there = tf.cast(frame, tf.int32) < lengths[:, None]
        return tf.where(there[..., None], mel, 0.0), lengths

    return read


def _taught(
    run: Any, source: SynthesisSource, split: str, index: np.ndarray
) -> np.ndarray:
    """Log energies of some utterances, float32 [n, T, M]."""
    chosen = source.split(split)
    r = run.experiment.model.frames_per_step
    longest = -(-int(chosen.lengths[index].max()) // r) * r
    numbers = tf.constant(index, tf.int64)
    seeds = tf.stack([numbers, numbers], -1)
    frames = tf.constant(longest, tf.int32)
    mel, lengths = chosen.features().read(numbers, seeds, frames)
    symbols = chosen.symbols.read(numbers)
    inputs = {
        "symbols": symbols,
        "tones": chosen.tones.read(numbers),
        "symbol_lengths": tf.math.count_nonzero(symbols, 1, dtype=tf.int32),
        "speaker": tf.one_hot(chosen.speaker[index], len(source.speakers)),
        "language": tf.one_hot(chosen.language[index], len(source.languages)),
        "mel": tf.ensure_shape(mel, [len(index), longest, source.feature_dim]),
        "frames": lengths,
        "seed": seeds,
    }
    made = run.model(inputs, training=False)["mel_post"]
    return np.asarray(run.model.energies(made))
