"""Frames of recordings for a synthesiser: log-mel energies as they are."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfmodels.audio.mel_spectrogram import MelSpectrogram
from trainers.data.speech.recordings import read_sound
from trainers.data.speech.recordings import resampled
from trainers.data.synthesis.config import SynthesisData


class SynthesisFrontEnd:
    """Reads recordings and makes mel spectra of one preset."""

    def __init__(self, config: SynthesisData) -> None:
        """Takes preset and loudness."""
        self.preset = config.preset
        self.sample_rate = self.preset.sample_rate
        self.log_mel = MelSpectrogram(self.preset)
        """The layer that makes them."""
        self._rms = None if config.rms_db is None else 10 ** (config.rms_db / 20)
        self._compiled = tf.function(
            self.log_mel,
            input_signature=[
                tf.TensorSpec([None, None], tf.float32),
                tf.TensorSpec([None], tf.int32),
            ],
            autograph=False,
        )

    def num_samples(self, frames: tf.Tensor | int) -> tf.Tensor | int:
        """Most samples of so many frames, of the argument's type."""
        samples: tf.Tensor | int = self.log_mel.num_samples(frames)
        return samples

    def __call__(self, samples: tf.Tensor, num_samples: tf.Tensor) -> tf.Tensor:
        """Frames of a batch.

        Args:
          samples: float32 [b, L] from -1 to 1.
          num_samples: int32 [b], before the padding.

        Returns:
          float32 [b, T, M], 0 in the padding.
        """
        features: tf.Tensor = self._compiled(samples, num_samples)
        return features

    def read(
        self, path: Path, offset: float = 0.0, seconds: float | None = None
    ) -> np.ndarray:
        """Samples of a recording at the preset's rate and loudness, float32 [N].

        Raises:
          DataError: see `read_sound`.
        """
        samples, rate = read_sound(path, offset, seconds)
        samples = resampled(samples, rate, self.sample_rate)
        loudness = float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
        if self._rms is None or not loudness:
            return samples
        # No louder than the form allows.
        gain = min(self._rms / loudness, 1 / float(np.abs(samples).max()))
        return (samples * gain).astype(np.float32)
