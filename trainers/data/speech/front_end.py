"""Frames of sound for a recogniser: log-mel energies as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.audio.log_mel import LogMel
from tfmodels.errors import DataError
from trainers.data.speech.config import SpeechData
from trainers.data.speech.recordings import read_sound
from trainers.data.speech.recordings import resampled


class Sounds:
    """Reads recordings and makes frames of them, for a recogniser or a synthesiser."""

    def __init__(self, log_mel: Any, sample_rate: int) -> None:
        """Takes the layer that makes frames, and the rate in Hz that it is for."""
        self.sample_rate = sample_rate
        self.log_mel = log_mel
        """The layer; exports have the same."""
        self._compiled = tf.function(
            log_mel,
            input_signature=[
                tf.TensorSpec([None, None], tf.float32),
                tf.TensorSpec([None], tf.int32),
            ],
            autograph=False,
        )

    def num_samples(self, frames: tf.Tensor | int) -> tf.Tensor | int:
        """Samples that so many frames need, of the argument's type."""
        samples: tf.Tensor | int = self.log_mel.num_samples(frames)
        return samples

    def __call__(self, samples: tf.Tensor, num_samples: tf.Tensor) -> tf.Tensor:
        """Frames of a batch.

        Args:
          samples: float32 [b, L] from -1 to 1.
          num_samples: int32 [b], before the padding.

        Returns:
          float32 [b, T, D], 0 in the padding.
        """
        features: tf.Tensor = self._compiled(samples, num_samples)
        return features

    def read(
        self, path: Path, offset: float = 0.0, seconds: float | None = None
    ) -> np.ndarray:
        """Samples of a recording at the configured rate, float32 [N].

        Raises:
          DataError: see `read_sound`.
        """
        samples, rate = read_sound(path, offset, seconds)
        return resampled(samples, rate, self.sample_rate)


class FrontEnd(Sounds):
    """Log energies of mel bands, 100 frames a second."""

    def __init__(self, config: SpeechData) -> None:
        """Takes rate, number and ends of the bands."""
        log_mel = LogMel(config.sample_rate, config.mel_bins, *config.bounds_hz)
        super().__init__(log_mel, config.sample_rate)
        self.longest = config.buckets[-1].frames
        """Most frames of a recording."""

    def num_samples(self, frames: tf.Tensor | int) -> tf.Tensor | int:
        """Samples that so many frames need, of the argument's type."""
        return 1 + self.log_mel.window + self.log_mel.hop * (frames - 1)

    def open(self, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Frames of a recording that a user names, of any rate and kind.

        Returns:
          float32 [1, T, D] and int32 [1], how many there are.

        Raises:
          DataError: see `read_sound`; or it is silent, or shorter or longer than
            anything that is learned from.
        """
        path = Path(name)
        samples = self.read(path)
        frames = self.log_mel.num_frames(len(samples))
        if not np.any(samples):
            raise DataError(
                f"{path} is silent. Expected speech. Received {len(samples)} samples,"
                " all of them 0."
            )
        if not 1 <= frames <= self.longest:
            raise DataError(
                f"{path} is too {'long' if frames else 'short'}. Expected from 1 to"
                f" {self.longest} frames of 10 ms, the largest of data.buckets."
                f" Received {frames}; cut the recording, or train with larger"
                " data.buckets."
            )
        lengths = tf.constant([frames], tf.int32)
        return self(tf.constant(samples[None]), tf.constant([len(samples)])), lengths
