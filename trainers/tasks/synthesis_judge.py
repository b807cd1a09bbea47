"""What recordings say about synthetic speech: whose voice, how near, at which times."""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.metrics.alignment_health import boundary_error
from tfmodels.metrics.cepstral_distortion import cepstral_distortion
from tfmodels.metrics.discriminant import LinearDiscriminant
from tfmodels.metrics.discriminant import voice_print
from tfmodels.tacotron.free_running import STOP_REASONS
from trainers.data.synthesis.source import SynthesisSource
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Totals

_AT_ONCE = 32
_FIGURES = ("mcd", "nearer", "speaker_id", "boundary_ms", "boundary_ms_taught")


class SynthesisJudge:
    """Compares what a model says with recordings of the same texts.

    Pairs of speaker and language that training has are *seen*; others are *crossed*,
    and the recordings of them that a held-out split has are the truth about them.
    """

    def __init__(
        self, source: SynthesisSource, splits: tuple[str, ...], frames_per_step: int
    ) -> None:
        """Takes the data; recordings are read when they are first asked for."""
        self._source, self._splits = source, splits
        self._r = frames_per_step
        preset = source.front_end.preset
        self._step_ms = 1000 * frames_per_step * preset.hop / preset.sample_rate
        self._recorded = functools.cache(self._read)
        self._numbers = functools.cache(self._numbered)
        self._discriminant = functools.cache(self._fitted)
        self.knows_speakers = "reference" in splits
        """Whether there are recordings to learn from who speaks."""

    def totals(self, made: Outputs, taught: tf.Tensor, batch: Batch) -> Totals:
        """Figures of a batch.

        ``mcd_seen`` and ``mcd_crossed`` are decibels to the recording of the same text;
        ``speaker_id_*`` the shares whose speaker a linear discriminant of reference
        recordings finds; ``nearer_crossed`` the share nearer to the recording of the
        voice than to those of all voices of the language; ``boundary_ms`` how far
        beginnings of phonemes are from where they are in the recording, as attention
        tells, and ``boundary_ms_taught`` the same of a model that hears the recording,
        whose own pace does not matter; ``stop_failures`` those that did not end,
        ``ended`` those that did, and ``attention_stops`` those that ended only because
        attention was at the end.

        Args:
          made: of `Tacotron.free_run`.
          taught: float32 [b, S, N], attention over whole targets.
          batch: of the task, with ``split`` int64 [b], the number of the split.
        """
        names = ("energies", "lengths", "alignment")
        found = tf.numpy_function(
            self._judged,
            [
                *(made[name] for name in names),
                taught,
                *(batch[name] for name in ("split", "index", "token", "frames")),
            ],
            tf.float32,
            stateful=False,
        )
        found = tf.ensure_shape(found, [None, 1 + len(_FIGURES)])
        weight = batch["weight"]
        crossed = found[:, 0] * weight
        kinds = {"seen": weight - crossed, "crossed": crossed}
        totals: Totals = {}
        for place, name in enumerate(_FIGURES, 1):
            known = tf.cast(tf.math.is_finite(found[:, place]), tf.float32)
            value = tf.where(known > 0, found[:, place], 0.0)
            for kind, there in kinds.items():
                pair = tf.reduce_sum(value * there), tf.reduce_sum(known * there)
                totals[f"{name}_{kind}"] = pair
        for name in _FIGURES[-2:]:
            parts = [totals.pop(f"{name}_{kind}") for kind in kinds]
            sums, counts = zip(*parts, strict=True)
            totals[name] = tf.add_n(sums), tf.add_n(counts)
        del totals["nearer_seen"]
        reasons = {"stop_failures": "too_long", "attention_stops": "end_of_text"}
        for name, reason in reasons.items():
            is_it = made["stop_reason"] == STOP_REASONS.index(reason)
            hits = tf.reduce_sum(tf.cast(is_it, tf.float32) * weight)
            totals[name] = hits, tf.reduce_sum(weight)
        failures, count = totals["stop_failures"]
        return {**totals, "ended": (count - failures, count)}

    def _judged(
        self,
        energies: Any,
        lengths: Any,
        alignment: Any,
        taught: Any,
        split: Any,
        index: Any,
        token: Any,
        frames: Any,
    ) -> np.ndarray:
        """For each row whether it is crossed, and `_FIGURES`, NaN where not known."""
        found = np.full([len(index), 1 + len(_FIGURES)], np.nan, np.float32)
        for row, number in enumerate(index):
            made = energies[row, : lengths[row]]
            known = token[row, self._r // 2 : frames[row] : self._r]
            late = [np.nan, np.nan]
            if np.any(known >= 0):
                said = alignment[row, : lengths[row] // self._r]
                heard = taught[row, : -(-frames[row] // self._r)]
                late = [
                    boundary_error(steps, known, self._step_ms)
                    for steps in (said, heard)
                ]
            name = self._splits[split[row]]
            found[row] = [*self._row(made, name, int(number)), *late]
        return found

    def _row(self, made: np.ndarray, name: str, number: int) -> list[float]:
        """All but the times."""
        source = self._source
        entry = source.utterances(name)[number]
        mel = self._recorded(name)
        distance = cepstral_distortion(made, mel[number]).decibel
        crossed = (entry.speaker, entry.lang) not in source.pairs
        same = {
            speaker: self._numbers(name).get((speaker, entry.lang, entry.text))
            for speaker, language in source.pairs
            if language == entry.lang
        }
        natives = [n for n in same.values() if n is not None]
        nearer = np.nan
        if crossed and natives and len(natives) == len(same):
            others = [cepstral_distortion(made, mel[n]).decibel for n in natives]
            nearer = float(distance < min(others))
        right = np.nan
        if self.knows_speakers:
            guess = self._discriminant().predict(voice_print(made)[None])[0]
            right = float(source.speakers[guess] == entry.speaker)
        return [float(crossed), distance, nearer, right]

    def _numbered(self, name: str) -> dict[tuple[Any, Any, str], int]:
        entries = self._source.utterances(name)
        return {(e.speaker, e.lang, e.text): n for n, e in enumerate(entries)}

    def _read(self, name: str) -> list[np.ndarray]:
        """The mel spectra of a split."""
        split = self._source.split(name)
        features, lengths = split.features(), split.lengths
        spectra = []
        for first in range(0, len(lengths), _AT_ONCE):
            index = np.arange(first, min(first + _AT_ONCE, len(lengths)))
            longest = tf.constant(lengths[index].max(), tf.int32)
            numbers = tf.constant(index, tf.int64)
            mel, _ = features.read(numbers, tf.stack([numbers] * 2, -1), longest)
            rows = zip(mel.numpy(), lengths[index], strict=True)
            spectra += [row[:length] for row, length in rows]
        return spectra

    def _fitted(self) -> LinearDiscriminant:
        prints = np.stack([voice_print(mel) for mel in self._recorded("reference")])
        return LinearDiscriminant(prints, self._source.split("reference").speaker)
