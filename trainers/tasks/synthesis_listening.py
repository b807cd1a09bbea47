"""What synthetic speech sounds like: its pitch; what a recogniser understands."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfmodels.audio.griffin_lim import GriffinLim
from tfmodels.metrics.edit_distance import edit_errors
from tfmodels.metrics.fundamental_frequency import PitchErrors
from tfmodels.metrics.fundamental_frequency import fundamental_frequency
from tfmodels.metrics.fundamental_frequency import pitch_errors
from tfmodels.text.graphemes import normalized
from trainers.data.speech.manifest import Utterance
from trainers.data.synthesis.front_end import SynthesisFrontEnd
from trainers.tasks.recognisers import Understand
from trainers.tasks.spoken import Spoken

# Longer ones are a multiple, so that few shapes are compiled.
_FRAMES_AT_ONCE = 64
# Of a recording's pitch through the vocoder and back: two semitones, in the root mean
# square, and the share of frames of which only one is voiced.
_MOST_LOST, _MOST_UNVOICED = 2 * np.log(2) / 12, 0.4


class Ear:
    """Makes sound of spectra and compares it with recordings."""

    def __init__(
        self, front_end: SynthesisFrontEnd, understand: Understand | None = None
    ) -> None:
        """Takes what reads recordings, and who understands, see `open_recogniser`."""
        self._front_end = front_end
        self._vocoder = tf.function(GriffinLim(front_end.preset), autograph=False)
        self._understand = understand

    def sound(self, energies: np.ndarray) -> np.ndarray:
        """Samples of a spectrum, float32 [hop * T].

        Args:
          energies: float32 [T, M].
        """
        count = len(energies)
        room = -(-max(count, 1) // _FRAMES_AT_ONCE) * _FRAMES_AT_ONCE
        padded = np.pad(energies, [[0, room - count], [0, 0]])[None]
        samples = self._vocoder(tf.constant(padded), tf.constant([count], tf.int32))
        found: np.ndarray = samples[0].numpy()[: count * self._front_end.preset.hop]
        return found

    def recording(self, entry: Utterance) -> np.ndarray:
        """Samples of what was recorded, float32 [N]."""
        return self._front_end.read(Path(entry.audio), entry.offset_s, entry.dur_s)

    def pitch(
        self, sound: np.ndarray, recorded: np.ndarray, path: np.ndarray, mel: np.ndarray
    ) -> PitchErrors | None:
        """Compares the pitch of two sounds along a path; None where the vocoder would
        lose that of the recording, as it does low voices in spectra of few bands.

        Args:
          sound: float32 [N].
          recorded: float32 [L].
          path: int [n, 2], frames of the first and of the second.
          mel: float32 [T, M], the spectrum of the recording.
        """
        preset = self._front_end.preset
        first, second, copied = (
            fundamental_frequency(samples, preset.sample_rate, preset.hop)
            for samples in (sound, recorded, self.sound(mel))
        )
        same = np.repeat(np.arange(min(len(second), len(copied)))[:, None], 2, axis=1)
        kept = pitch_errors(copied, second, same)
        if kept.log_rmse > _MOST_LOST or kept.voicing > _MOST_UNVOICED:
            return None
        ends = np.array([len(first), len(second)]) - 1
        return pitch_errors(first, second, np.minimum(path, ends))

    def wrong_characters(self, sound: np.ndarray, text: str) -> float:
        """Share of the characters of a text that the recogniser gets wrong; NaN without
        one.

        Args:
          sound: float32 [N].
          text: what it says.
        """
        if self._understand is None:
            return np.nan
        heard = self._understand(Spoken(sound, self._front_end.sample_rate, ""))
        return character_errors(heard, text)


def character_errors(heard: str, text: str) -> float:
    """Wrong characters of a transcript over those of the text, small letters all."""
    rows = [
        [1 + ord(sign) for sign in normalized(each, True)] or [0]
        for each in (heard, text)
    ]
    found = edit_errors(*(tf.constant([row], tf.int32) for row in rows))
    wrong = sum(int(each[0]) for each in found)
    return wrong / max(len(normalized(text, True)), 1)
