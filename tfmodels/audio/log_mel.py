"""The log-mel front end: samples of sound to frames of band energies."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

FRAMES_PER_SECOND = 100
"""At any sample rate."""
_WINDOW_SECONDS = 0.025
_PREEMPHASIS = 0.97
_LEAST_FFT = 512
# The features assume samples of 16 bits.
_FULL_SCALE = 32768.0
_FLOOR = 1.0


@keras.saving.register_keras_serializable("tfmodels")
class LogMel(keras.layers.Layer):
    """Natural logarithms of mel-band magnitudes, 100 frames a second.

    Frames of 25 ms, each with pre-emphasis ``y[n] = x[n + 1] - 0.97 x[n]``, so one
    sample longer; periodic Hann window; magnitude of a real FFT of twice the power of
    two that holds a window, at least 1024; HTK's triangles; ``ln(max(1, mel))``. That
    is the front end of Lingvo. Frames do not reach over the end of the sound.

    The same operations run in training, in a SavedModel and, all of them built in, in
    TFLite. They keep float32 whatever the precision of a model around them.

    Args:
      sample_rate: Hz, 8000 or 16000 as a rule.
      num_bins: mel bands.
      lower_hz: lower edge of the lowest band.
      upper_hz: upper edge of the highest band.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      samples: float32 [B, L] from -1 to 1.
      lengths: int32 [B], samples before the padding; all when absent.
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        num_bins: int = 80,
        lower_hz: float = 125.0,
        upper_hz: float = 7600.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.sample_rate = sample_rate
        self.num_bins = num_bins
        self.lower_hz = lower_hz
        self.upper_hz = upper_hz

    @property
    def window(self) -> int:
        """Samples of a frame, without the one that pre-emphasis uses up."""
        return round(_WINDOW_SECONDS * self.sample_rate)

    @property
    def hop(self) -> int:
        """Samples between the beginnings of neighbouring frames."""
        return round(self.sample_rate / FRAMES_PER_SECOND)

    def num_frames(self, num_samples: Any) -> Any:
        """Frames of so many samples, an int or an int32 tensor like the argument."""
        frames = (num_samples - self.window - 1) // self.hop + 1
        if isinstance(num_samples, int):
            return max(frames, 0)
        return tf.maximum(frames, 0)

    def call(self, samples: Any, lengths: Any = None) -> Any:
        """Returns float32 [B, T, num_bins], 0 in frames that padding takes part in."""
        samples = _FULL_SCALE * samples
        emphasized = samples[:, 1:] - _PREEMPHASIS * samples[:, :-1]
        frames = tf.signal.frame(emphasized, self.window, self.hop)
        size = 2 * max(_LEAST_FFT, 1 << (self.window - 1).bit_length())
        frames = tf.pad(
            frames * hann(self.window), [[0, 0], [0, 0], [0, size - self.window]]
        )
        magnitude = tf.abs(tf.signal.rfft(frames, [size]))
        mel = self.bands(magnitude, self._triangles(size))
        features = tf.math.log(tf.maximum(mel, _FLOOR))
        if lengths is None:
            return features
        frame = tf.range(tf.shape(features)[1])
        there = frame < self.num_frames(lengths)[:, None]
        return tf.where(there[..., None], features, 0.0)

    def bands(self, magnitude: Any, triangles: np.ndarray) -> Any:
        """Energies of bands, [..., num_bins], from those of frequencies."""
        return tf.matmul(magnitude, triangles)

    def _triangles(self, size: int) -> np.ndarray:
        """Weights of each frequency in each band, float32 [size / 2 + 1, num_bins]."""
        return mel_triangles(
            self.num_bins, size, self.sample_rate, self.lower_hz, self.upper_hz
        )

    def compute_output_shape(
        self, samples_shape: Any, lengths_shape: Any = None
    ) -> Any:
        """[B, T, num_bins]."""
        batch, length = samples_shape
        frames = None if length is None else self.num_frames(length)
        return (batch, frames, self.num_bins)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "sample_rate": self.sample_rate,
            "num_bins": self.num_bins,
            "lower_hz": self.lower_hz,
            "upper_hz": self.upper_hz,
        }


def hann(length: int) -> np.ndarray:
    """The periodic Hann window, float32 [length]."""
    phase = 2 * np.pi * np.arange(length) / length
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def mel_triangles(
    num_bins: int, fft_size: int, sample_rate: int, lower_hz: float, upper_hz: float
) -> np.ndarray:
    """HTK's mel filters, computed in float64: triangles of height 1, the mean left out.

    Args:
      num_bins: mel bands; their edges lie at equal distances on the mel scale.
      fft_size: samples of the FFT.
      sample_rate: Hz.
      lower_hz: lower edge of the lowest band.
      upper_hz: upper edge of the highest band.

    Returns:
      float32 [fft_size / 2 + 1, num_bins].
    """
    hz = np.arange(fft_size // 2 + 1) * sample_rate / fft_size
    edges = np.linspace(_to_mel(lower_hz), _to_mel(upper_hz), num_bins + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    mel = _to_mel(hz)[:, None]
    rising = (mel - lower) / (centre - lower)
    falling = (upper - mel) / (upper - centre)
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0
    return weights.astype(np.float32)


def _to_mel(hz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hz) / 700.0)
