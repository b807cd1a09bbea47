"""From mel spectra to sound without a trained vocoder, in TensorFlow alone."""

import functools
import math

import numpy as np
import tensorflow as tf

from tfmodels.audio.log_mel import hann
from tfmodels.audio.mel_spectrogram import triangles
from tfmodels.audio.presets import MelPreset

_LEAST = 1e-8


class GriffinLim:
    """Finds magnitudes of frequencies, then phases that fit them.

    Magnitudes by least squares without negative ones, multiplicative updates from the
    pseudo-inverse (Lee and Seung, 2001); phases by the fast algorithm of Perraudin,
    Balazs and Sondergaard (2013), from zero phases, so that nothing is drawn. A row's
    sound does not depend on the others.
    """

    def __init__(
        self,
        preset: MelPreset,
        iterations: int = 40,
        momentum: float = 0.99,
        updates: int = 50,
    ) -> None:
        """Takes the numbers.

        Args:
          preset: what made the spectra.
          iterations: of the phases.
          momentum: how far each goes beyond the plain algorithm's; 0 is that.
          updates: of the magnitudes.
        """
        self.preset = preset
        self._iterations, self._momentum, self._updates = iterations, momentum, updates
        self._triangles, self._inverse = _filters(preset)
        self.edge = math.ceil(preset.window / preset.hop)
        """Frames of silence at both ends, with which all are there that a sample is
        in."""

    @property
    def begin(self) -> int:
        """Samples before the middle of the first frame behind `edge` frames."""
        return self.edge * self.preset.hop + self.preset.window // 2

    def __call__(self, log_mel: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Sound of spectra.

        Args:
          log_mel: float32 [b, T, M], natural logarithms as `MelSpectrogram` makes them.
          lengths: int32 [b], frames before the padding.

        Returns:
          float32 [b, hop * T], 0 behind an utterance's end.
        """
        samples = self.invert(self.magnitudes(log_mel, lengths))
        preset = self.preset
        begin = self.begin
        samples = samples[:, begin : begin + preset.hop * tf.shape(log_mel)[1]]
        there = tf.range(tf.shape(samples)[1]) < preset.hop * lengths[:, None]
        return tf.where(there, samples, 0.0)

    def magnitudes(self, log_mel: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Magnitudes of frequencies, float32 [b, T, fft_size / 2 + 1], 0 in padding."""
        mel = tf.exp(log_mel)
        guess = tf.maximum(tf.matmul(mel, self._inverse), _LEAST)
        wanted = tf.matmul(mel, self._triangles, transpose_b=True)

        def update(found: tf.Tensor) -> tuple[tf.Tensor]:
            heard = tf.matmul(found, self._triangles)
            now = tf.matmul(heard, self._triangles, transpose_b=True)
            return (found * wanted / tf.maximum(now, _LEAST),)

        (found,) = tf.while_loop(
            lambda _: True, update, (guess,), maximum_iterations=self._updates
        )
        there = tf.range(tf.shape(mel)[1]) < lengths[:, None]
        return tf.where(there[..., None], found, 0.0)

    def invert(self, magnitudes: tf.Tensor) -> tf.Tensor:
        """Sound of magnitudes, with silence around it, float32 [b, L].

        Args:
          magnitudes: float32 [b, T, fft_size / 2 + 1].
        """
        edges = [[0, 0], [self.edge, self.edge], [0, 0]]
        return self.fitted(tf.pad(magnitudes, edges))

    def fitted(
        self, magnitudes: tf.Tensor, known: tf.Tensor | None = None
    ) -> tf.Tensor:
        """`invert` without silence around it, and with samples that stay as they are.

        Args:
          magnitudes: float32 [b, T, fft_size / 2 + 1].
          known: float32 [b, K], the first samples; none are known when absent.
        """
        weights = self._weights(tf.shape(magnitudes)[1])

        def sound(spectrum: tf.Tensor) -> tf.Tensor:
            samples = self._added(spectrum) / weights
            if known is None:
                return samples
            return tf.concat([known, samples[:, tf.shape(known)[1] :]], 1)

        def improve(now: tf.Tensor, before: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            heard = self._transform(sound(_with_magnitudes(now, magnitudes)))
            return heard + self._momentum * (heard - before), heard

        # Nothing is before the first step to go on from.
        first = self._transform(sound(tf.cast(magnitudes, tf.complex64)))
        now, _ = tf.while_loop(
            lambda *_: True,
            improve,
            (first, first),
            maximum_iterations=self._iterations,
        )
        return sound(_with_magnitudes(now, magnitudes))

    def _transform(self, samples: tf.Tensor) -> tf.Tensor:
        preset = self.preset
        frames = tf.signal.frame(samples, preset.window, preset.hop)
        return tf.signal.rfft(frames * hann(preset.window), [preset.fft_size])

    def _added(self, spectrum: tf.Tensor) -> tf.Tensor:
        """Windowed frames of a spectrum, added up; the sound whose spectrum is nearest
        is that divided by `_weights`."""
        preset = self.preset
        frames = tf.signal.irfft(spectrum, [preset.fft_size])[..., : preset.window]
        return tf.signal.overlap_and_add(frames * hann(preset.window), preset.hop)

    def _weights(self, frames: tf.Tensor) -> tf.Tensor:
        preset = self.preset
        weight = tf.tile(tf.constant(hann(preset.window) ** 2)[None], [frames, 1])
        return tf.maximum(tf.signal.overlap_and_add(weight, preset.hop), _LEAST)


def _with_magnitudes(spectrum: tf.Tensor, magnitudes: tf.Tensor) -> tf.Tensor:
    """A spectrum whose phases stay."""
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    scale = magnitudes * tf.math.rsqrt(tf.maximum(power, _LEAST**2))
    return spectrum * tf.cast(scale, tf.complex64)


@functools.cache
def _filters(preset: MelPreset) -> tuple[np.ndarray, np.ndarray]:
    """Weights of frequencies in bands, and their pseudo-inverse."""
    filters = triangles(preset)
    return filters, np.linalg.pinv(filters).astype(np.float32)
