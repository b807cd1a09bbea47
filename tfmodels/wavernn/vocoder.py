"""A trained WaveRNN in the place of Griffin and Lim's algorithm."""

from typing import Any

import tensorflow as tf

from tfmodels.audio.presets import MelPreset


class WaveRNNVocoder:
    """Draws sound of spectra.

    Args:
      model: a `tfmodels.wavernn.model.WaveRNN`.
      preset: what spectra it has learned from.
      seed: origin of all that is drawn.
    """

    def __init__(self, model: Any, preset: MelPreset, seed: int = 0) -> None:
        self.model, self.preset, self._seed = model, preset, seed

    def __call__(self, log_mel: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Sound of spectra; see `tfmodels.audio.griffin_lim.GriffinLim`."""
        count, hop = tf.shape(log_mel)[1], self.preset.hop
        context = self.model.config.context
        seen = around(log_mel, lengths, tf.zeros_like(lengths), count, context)
        rows = tf.range(tf.cast(tf.shape(log_mel)[0], tf.int64))
        seed = tf.stack([tf.zeros_like(rows) + self._seed, rows], -1)
        samples = self.model.sample(seen, seed)
        there = tf.range(tf.shape(samples)[1]) < hop * lengths[:, None]
        return tf.where(there, samples, 0.0)


def around(
    log_mel: tf.Tensor, lengths: tf.Tensor, first: tf.Tensor, count: Any, context: int
) -> tf.Tensor:
    """Some frames and those around them that a WaveRNN sees, [b, count + 2 c, M].

    At the ends of an utterance its first and its last frame are repeated.

    Args:
      log_mel: float32 [b, T, M].
      lengths: int32 [b], frames before the padding.
      first: int32 [b], of the frames that are wanted.
      count: how many.
      context: c.
    """
    place = first[:, None] + tf.range(-context, count + context)[None]
    last = tf.maximum(lengths[:, None] - 1, 0)
    return tf.gather(log_mel, tf.clip_by_value(place, 0, last), batch_dims=1)
