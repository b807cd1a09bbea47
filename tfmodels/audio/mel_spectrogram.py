"""From sound to the mel spectra that speech is made of, one frame a hop."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.audio.log_mel import hann
from tfmodels.audio.log_mel import mel_triangles
from tfmodels.audio.presets import MelPreset

# Slaney's scale: linear up to 1000 Hz, then 27 steps to a factor of 6.4.
_LINEAR_HZ, _BREAK_HZ, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27


@keras.saving.register_keras_serializable("tfmodels")
class MelSpectrogram(keras.layers.Layer):
    """Natural logarithms of mel-band magnitudes, frames around each hop.

    The sound is reflected at its ends, by half a window, so that n samples are
    ``1 + n // hop`` frames; periodic Hann window, magnitude of the FFT,
    ``ln(max(floor, mel))`` (arXiv:1712.05884, section 2.1). An utterance's frames do
    not depend on the padding of its batch.

    Args:
      preset: the numbers, or what `MelPreset.plain` made of them.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      samples: float32 [B, L] from -1 to 1.
      lengths: int32 [B], samples before the padding; all when absent.
    """

    def __init__(self, preset: MelPreset | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if not isinstance(preset, MelPreset):
            preset = MelPreset.from_plain(preset)
        self.preset = preset

    @property
    def num_bins(self) -> int:
        """Mel bands."""
        return self.preset.num_bins

    def num_frames(self, num_samples: Any) -> Any:
        """Frames of so many samples, an int or an int32 tensor like the argument."""
        frames = 1 + num_samples // self.preset.hop
        if isinstance(num_samples, int):
            return frames if num_samples else 0
        return tf.where(num_samples > 0, frames, 0)

    def num_samples(self, frames: Any) -> Any:
        """Most samples of so many frames, of the argument's type."""
        return self.preset.hop * frames - 1

    def call(self, samples: Any, lengths: Any = None) -> Any:
        """Returns float32 [B, 1 + L // hop, num_bins], 0 behind an utterance's end."""
        preset = self.preset
        if lengths is None:
            lengths = tf.fill(tf.shape(samples)[:1], tf.shape(samples)[1])
        if preset.preemphasis:
            before = tf.pad(samples[:, :-1], [[0, 0], [1, 0]])
            samples = samples - preset.preemphasis * before
        reflected = self._reflected(samples, lengths)
        frames = tf.signal.frame(reflected, preset.window, preset.hop)
        magnitude = tf.abs(
            tf.signal.rfft(frames * hann(preset.window), [preset.fft_size])
        )
        mel = tf.matmul(magnitude, triangles(preset))
        features = tf.math.log(tf.maximum(mel, preset.floor))
        there = tf.range(tf.shape(features)[1]) < self.num_frames(lengths)[:, None]
        return tf.where(there[..., None], features, 0.0)

    def _reflected(self, samples: Any, lengths: Any) -> Any:
        """Samples with half a window more at both ends, [B, L + window]."""
        half = self.preset.window // 2
        place = tf.range(-half, tf.shape(samples)[1] + half)
        last = tf.maximum(lengths[:, None] - 1, 0)
        place = tf.abs(place)[None]
        place = tf.where(place > last, 2 * last - place, place)
        return tf.gather(samples, tf.clip_by_value(place, 0, last), batch_dims=1)

    def compute_output_shape(
        self, samples_shape: Any, lengths_shape: Any = None
    ) -> Any:
        """[B, T, num_bins]."""
        batch, length = samples_shape
        frames = None if length is None else self.num_frames(length)
        return (batch, frames, self.num_bins)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "preset": self.preset.plain()}


def triangles(preset: MelPreset) -> np.ndarray:
    """Weights of each frequency in each band, float32 [fft_size / 2 + 1, num_bins]."""
    of_scale = mel_triangles if preset.scale == "htk" else slaney_triangles
    return of_scale(
        preset.num_bins,
        preset.fft_size,
        preset.sample_rate,
        preset.lower_hz,
        preset.upper_hz,
    )


def slaney_triangles(
    num_bins: int, fft_size: int, sample_rate: int, lower_hz: float, upper_hz: float
) -> np.ndarray:
    """Filters of Slaney's Auditory Toolbox: triangles of area 1 over frequency.

    Args:
      num_bins: mel bands; their edges lie at equal distances on the mel scale.
      fft_size: samples of the FFT.
      sample_rate: Hz.
      lower_hz: lower edge of the lowest band.
      upper_hz: upper edge of the highest band.

    Returns:
      float32 [fft_size / 2 + 1, num_bins].
    """
    hz = np.arange(fft_size // 2 + 1)[:, None] * sample_rate / fft_size
    lowest, highest = _to_slaney(np.array([lower_hz, upper_hz])).tolist()
    edges = _from_slaney(np.linspace(lowest, highest, num_bins + 2))
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (hz - lower) / (centre - lower)
    falling = (upper - hz) / (upper - centre)
    weights = np.maximum(0, np.minimum(rising, falling)) * 2 / (upper - lower)
    return weights.astype(np.float32)


def _to_slaney(hz: np.ndarray) -> np.ndarray:
    linear = hz / _LINEAR_HZ
    above = np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, linear, _BREAK_HZ / _LINEAR_HZ + above)


def _from_slaney(mel: np.ndarray) -> np.ndarray:
    above = mel - _BREAK_HZ / _LINEAR_HZ
    raised = _BREAK_HZ * np.exp(_LOG_STEP * above)
    return np.where(above < 0, mel * _LINEAR_HZ, raised)
