"""Saying a script piece by piece, several pieces at once."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.tacotron.free_running import STOP_REASONS
from tfmodels.tacotron.free_running import most_frames
from trainers.tasks.spoken import Spoken
from trainers.tasks.spoken import SpokenPiece
from trainers.tasks.voices import Script
from trainers.tasks.voices import Voices

Say = Callable[[dict[str, Any]], dict[str, Any]]
"""From what `Tacotron.encode` takes and ``seed`` int64 [b, 2] to ``audio`` float32 [b,
L], ``audio_len`` int32 [b], and ``energies``, ``lengths``, ``alignment`` and
``stop_reason`` as `Tacotron.free_run` gives them."""
AT_ONCE = 8
"""Pieces in a batch."""


class Speaker:
    """Makes sound of scripts.

    Args:
      say: makes sound of a batch.
      voices: what texts mean.
      seed: origin of the prenet's dropout, which differs from piece to piece.
      at_once: most pieces in a batch.
    """

    def __init__(
        self, say: Say, voices: Voices, seed: int, at_once: int = AT_ONCE
    ) -> None:
        self._say, self._voices, self._seed = say, voices, seed
        self._at_once = at_once

    def __call__(self, script: Script) -> Iterator[Spoken]:
        """Each piece of a script in its order, the silence behind it included."""
        count = len(script.pieces)
        for first in range(0, count, self._at_once):
            last = min(first + self._at_once, count)
            made = self._say(
                {
                    **script.rows(first, last),
                    "seed": seeds(self._seed, range(first, last)),
                }
            )
            made = {name: np.asarray(each) for name, each in made.items()}
            for row, number in enumerate(range(first, last)):
                yield self._spoken(script, number, {n: x[row] for n, x in made.items()})

    def _spoken(self, script: Script, number: int, made: dict[str, Any]) -> Spoken:
        """One piece of what was said."""
        encoded, preset = script.pieces[number], self._voices.preset
        samples = made["audio"][: made["audio_len"]]
        samples = np.pad(samples, (0, silence(script, number, preset.sample_rate)))
        steps = int(made["lengths"]) * len(made["alignment"]) // len(made["energies"])
        piece = SpokenPiece(
            tuple(self._voices.symbols.names[each] for each in encoded.ids),
            made["energies"][: made["lengths"]],
            made["alignment"][:steps, : len(encoded.ids)],
        )
        return Spoken(
            samples,
            preset.sample_rate,
            STOP_REASONS[int(made["stop_reason"])],
            () if number else script.unknown,
            (piece,),
        )


def seeds(seed: int, numbers: Any) -> np.ndarray:
    """Seeds of pieces of a text, int64 [n, 2]."""
    return np.array([[seed, number] for number in numbers], np.int64)


def silence(script: Script, number: int, sample_rate: int) -> int:
    """Samples of silence behind a piece; none at the end of all."""
    if number + 1 == len(script.pieces):
        return 0
    return round(script.pauses[number] * sample_rate)


def sayer(model: Any, vocoder: Callable[..., tf.Tensor]) -> Say:
    """What says batches with a model, in graph code.

    Args:
      model: a Tacotron.
      vocoder: from energies float32 [b, T, M] and lengths int32 [b] to samples float32
        [b, L], a multiple of the lengths.
    """
    r = model.config.frames_per_step

    def say(source: dict[str, Any]) -> dict[str, Any]:
        frames = most_frames(tf.shape(source["symbols"])[1])
        said = model.free_run(source, source["seed"], -(-frames // r))
        longest = tf.reduce_max(said["lengths"])
        lengths, energies = said["lengths"], said["energies"][:, :longest]
        audio = vocoder(energies, lengths)
        hop = tf.shape(audio)[1] // tf.maximum(longest, 1)
        return {
            "audio": audio,
            "audio_len": lengths * hop,
            "energies": energies,
            "lengths": lengths,
            "alignment": said["alignment"][:, : longest // r],
            "stop_reason": said["stop_reason"],
        }

    return say
