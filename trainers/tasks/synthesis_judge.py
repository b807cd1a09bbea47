"""What recordings say about synthetic speech: whose voice, how near, at which times."""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.metrics.alignment_health import alignment_health
from tfmodels.metrics.alignment_health import boundary_error
from tfmodels.metrics.cepstral_distortion import cepstral_distortion
from tfmodels.metrics.discriminant import LinearDiscriminant
from tfmodels.metrics.discriminant import RidgeClassifier
from tfmodels.metrics.discriminant import language_print
from tfmodels.metrics.discriminant import voice_print
from tfmodels.tacotron.free_running import STOP_REASONS
from trainers.data.speech.manifest import Utterance
from trainers.data.synthesis.source import SynthesisSource
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Totals
from trainers.tasks.config import SpeechSynthesisConfig
from trainers.tasks.recognisers import open_recogniser
from trainers.tasks.synthesis_listening import Ear

_AT_ONCE = 32
_FIGURES = (
    *("mcd", "nearer", "speaker_id", "language_id"),
    *("coverage", "monotone", "skips", "repeats"),
    *("boundary_ms", "duration_error"),
    *("log_f0_rmse", "voicing_error", "f0_correlation", "character_errors"),
)
"""Of seen and of crossed pairs apart."""
_TOGETHER = (
    *("speaker_id_recorded", "language_id_recorded", "character_errors_recorded"),
    *("boundary_ms", "boundary_ms_taught"),
)
"""Of all pairs as one."""
_BY_LANGUAGE = ("f0_correlation",)
"""Of each language, since only some have tones."""
_ALL = tuple(dict.fromkeys((*_FIGURES, *_TOGETHER)))


class SynthesisJudge:
    """Compares what a model says with recordings of the same texts.

    Pairs of speaker and language that training has are *seen*; others are *crossed*,
    and the recordings of them that a held-out split has are the truth about them.
    """

    def __init__(
        self,
        source: SynthesisSource,
        splits: tuple[str, ...],
        frames_per_step: int,
        config: SpeechSynthesisConfig,
    ) -> None:
        """Takes the data; recordings are read when they are first asked for.

        Args:
          source: the data.
          splits: names of all splits, in the order of their numbers.
          frames_per_step: r.
          config: of the task: of how many utterances sound is made, who listens.

        Raises:
          ConfigError, DataError: see `open_recogniser`.
        """
        self._source, self._splits = source, splits
        self._r = frames_per_step
        preset = source.front_end.preset
        self._frame_ms = 1000 * preset.hop / preset.sample_rate
        self._recorded = functools.cache(self._read)
        self._numbers = functools.cache(self._numbered)
        self._discriminants = functools.cache(self._fitted)
        self._listened, understand = config.listened, None
        if config.recogniser is not None:
            held_out = [int(source.split(name).shapes[-1][0]) for name in splits[1:]]
            frames = max(config.max_frames, *held_out)
            understand = open_recogniser(
                config.recogniser, frames * self._frame_ms / 1000
            )
        self._ear = Ear(source.front_end, understand)
        self.knows_speakers = "reference" in splits
        """Whether there are recordings to learn from who speaks."""

    def totals(self, made: Outputs, taught: tf.Tensor, batch: Batch) -> Totals:
        """Figures of a batch.

        ``mcd_seen`` and ``mcd_crossed`` are decibels to the recording of the same text;
        ``speaker_id_*`` and ``language_id_*`` the shares whose speaker and whose
        language linear judges of reference recordings find, ``*_recorded`` in
        the recordings of the same texts; of alignments ``coverage_*``, ``monotone_*``,
        ``skips_*`` and ``repeats_*``, see `AlignmentHealth`; of some utterances
        ``log_f0_rmse_*``, ``voicing_error_*`` and ``f0_correlation_*``, the last of
        each language too, see `PitchErrors`, and ``character_errors_*`` of a
        recogniser; ``nearer_crossed`` the share nearer to the recording of the voice
        than to those of all voices of the language; ``boundary_ms`` and
        ``boundary_ms_*`` how far beginnings of phonemes are from where they are in the
        recording, as attention tells, and ``boundary_ms_taught`` the same of a model
        that hears the recording, whose own pace does not matter; ``duration_error_*``
        by which part an utterance is longer or shorter than recorded; ``stop_failures``
        those that did not end, ``ended`` those that did, and ``attention_stops`` those
        that ended only because attention was at the end.

        Args:
          made: of `Tacotron.free_run`.
          taught: float32 [b, S, N], attention over whole targets.
          batch: of the task, with ``split`` int64 [b], the number of the split.
        """
        free = ("energies", "lengths", "alignment")
        found = tf.numpy_function(
            self._judged,
            [
                *(made[name] for name in free),
                taught,
                *(batch[name] for name in ("split", "index", "token", "frames")),
                batch["symbol_lengths"],
            ],
            tf.float32,
            stateful=False,
        )
        found = tf.ensure_shape(found, [None, 1 + len(_ALL)])
        weight = batch["weight"]
        crossed = found[:, 0] * weight
        kinds = (
            ("_seen", weight - crossed, _FIGURES),
            ("_crossed", crossed, _FIGURES),
            ("", weight, _TOGETHER),
            *(
                (f"/{name}", weight * batch["language"][:, number], _BY_LANGUAGE)
                for number, name in enumerate(self._source.languages)
            ),
        )
        totals: Totals = {}
        for kind, there, names in kinds:
            for name in names:
                each = found[:, 1 + _ALL.index(name)]
                known = tf.math.is_finite(each)
                sums = tf.reduce_sum(tf.where(known, each, 0.0) * there)
                totals[name + kind] = sums, tf.reduce_sum(tf.where(known, there, 0.0))
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
        symbols: Any,
    ) -> np.ndarray:
        """For each row whether it is crossed, and `_ALL`, NaN where not known."""
        found = np.full([len(index), 1 + len(_ALL)], np.nan, np.float32)
        for row, number in enumerate(index):
            made = energies[row, : lengths[row]]
            known = token[row, : frames[row]]
            said = alignment[row, : lengths[row] // self._r, : symbols[row]]
            length = max(frames[row], 1)
            late = {"duration_error": abs(lengths[row] - length) / length}
            if np.any(known >= 0):
                heard = taught[row, : -(-frames[row] // self._r)]
                pace = self._r, self._frame_ms
                late |= {
                    "boundary_ms": boundary_error(said, known, *pace),
                    "boundary_ms_taught": boundary_error(heard, known, *pace),
                }
            health = alignment_health(said)._asdict() if len(said) else {}
            name = self._splits[split[row]]
            figures = {**late, **health, **self._row(made, name, int(number))}
            found[row, 0] = figures["crossed"]
            for place, key in enumerate(_ALL, 1):
                found[row, place] = figures.get(key, np.nan)
        return found

    def _row(self, made: np.ndarray, name: str, number: int) -> dict[str, float]:
        """All that alignments do not tell."""
        source = self._source
        entry = source.utterances(name)[number]
        mel = self._recorded(name)
        distance, path = cepstral_distortion(made, mel[number])
        crossed = (entry.speaker, entry.lang) not in source.pairs
        figures = {"crossed": float(crossed), "mcd": distance}
        same = {
            speaker: self._numbers(name).get((speaker, entry.lang, entry.text))
            for speaker, language in source.pairs
            if language == entry.lang
        }
        natives = [n for n in same.values() if n is not None]
        if crossed and natives and len(natives) == len(same):
            others = [cepstral_distortion(made, mel[n]).decibel for n in natives]
            figures["nearer"] = float(distance < min(others))
        if self.knows_speakers:
            for end, heard in (("", made), ("_recorded", mel[number])):
                for what, right in self._recognised(heard, entry).items():
                    figures[f"{what}{end}"] = right
        return figures | self._listen(made, path, name, number)

    def _recognised(self, mel: np.ndarray, entry: Utterance) -> dict[str, float]:
        """Whether a spectrum is taken for one of its speaker, and of its language."""
        source, (speakers, languages) = self._source, self._discriminants()
        speaker = speakers.predict(voice_print(mel)[None])[0]
        language = languages.predict(language_print(mel)[None])[0]
        return {
            "speaker_id": float(source.speakers[speaker] == entry.speaker),
            "language_id": float(source.languages[language] == entry.lang),
        }

    def _listen(
        self, made: np.ndarray, path: np.ndarray, name: str, number: int
    ) -> dict[str, float]:
        """What only sound tells, of some utterances that are spread over a split."""
        entries = self._source.utterances(name)
        if not self._listened or number % -(-len(entries) // self._listened):
            return {}
        entry, ear = entries[number], self._ear
        sound, recorded = ear.sound(made), ear.recording(entry)
        understood = {
            "character_errors": ear.wrong_characters(sound, entry.text),
            "character_errors_recorded": ear.wrong_characters(recorded, entry.text),
        }
        pitch = ear.pitch(sound, recorded, path, self._recorded(name)[number])
        if pitch is None:
            return understood
        return {
            "log_f0_rmse": pitch.log_rmse,
            "voicing_error": pitch.voicing,
            "f0_correlation": pitch.correlation,
            **understood,
        }

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

    def _fitted(self) -> tuple[LinearDiscriminant, RidgeClassifier]:
        """Judges of speakers and of languages."""
        spectra, split = self._recorded("reference"), self._source.split("reference")
        return (
            LinearDiscriminant(np.stack([*map(voice_print, spectra)]), split.speaker),
            RidgeClassifier(np.stack([*map(language_print, spectra)]), split.language),
        )
