"""Frames of recordings for a synthesiser: log-mel energies as they are."""

from pathlib import Path

import numpy as np

from tfmodels.audio.mel_spectrogram import MelSpectrogram
from trainers.data.speech.front_end import Sounds
from trainers.data.synthesis.config import SynthesisData


class SynthesisFrontEnd(Sounds):
    """Mel spectra of one preset, of recordings of one loudness."""

    def __init__(self, config: SynthesisData) -> None:
        """Takes preset and loudness."""
        self.preset = config.preset
        super().__init__(MelSpectrogram(self.preset), self.preset.sample_rate)
        self._rms = None if config.rms_db is None else 10 ** (config.rms_db / 20)

    def read(
        self, path: Path, offset: float = 0.0, seconds: float | None = None
    ) -> np.ndarray:
        """Samples of a recording at the preset's rate and loudness, float32 [N].

        Raises:
          DataError: see `read_sound`.
        """
        samples = super().read(path, offset, seconds)
        loudness = float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
        if self._rms is None or not loudness:
            return samples
        # No louder than the form allows.
        gain = min(self._rms / loudness, 1 / float(np.abs(samples).max()))
        return (samples * gain).astype(np.float32)
