"""Convolutions over time and frequency below the encoder's layers."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.las.config import LASConfig
from tfmodels.las.frames import Frames
from tfmodels.las.frames import halved
from tfmodels.las.frames import sizes


class Convolutions(keras.layers.Layer):
    """3x3 filters that halve time and frequency, normalised and rectified (Lingvo's
    encoder for LibriSpeech).

    Frames are padded by one on each side, whatever their number, so that what becomes
    of an utterance does not depend on the padding of its batch.

    Args:
      config: the model's.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: LASConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters: list[keras.layers.Layer] = []
        self.norms: list[keras.layers.Layer] = []
        channels, self.width = 1, config.feature_dim
        for number, filters in enumerate(config.encoder.convolutions, 1):
            filter_name, norm_name = f"convolution{number}", f"convolution{number}_norm"
            convolution = keras.layers.Conv2D(
                filters, 3, 2, "valid", use_bias=False, name=filter_name
            )
            convolution.build((None, None, None, channels))
            norm = keras.layers.BatchNormalization(
                momentum=config.encoder.batch_norm_momentum, name=norm_name
            )
            norm.build((None, None, None, filters))
            self.filters.append(convolution)
            self.norms.append(norm)
            channels, self.width = filters, -(-self.width // 2)
        self.width *= channels
        self.built = True

    def run(self, frames: Frames, training: bool) -> Frames:
        """Fewer frames of width `width`."""
        x = tf.transpose(frames.x, (1, 0, 2))[..., None]
        mask = tf.transpose(frames.mask[:, :, 0])
        variety = frames.variety
        for convolution, norm in zip(self.filters, self.norms, strict=True):
            x = convolution(tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
            mask, variety = mask[:, ::2], halved(variety)
            there = tf.broadcast_to(mask[:, :, None], tf.shape(x)[:3])
            x = tf.nn.relu(norm(x, training=training, mask=there > 0))
            # The next filters see zeros after an utterance, as at the batch's end.
            x *= there[..., None]
        x = tf.transpose(x, (1, 0, 2, 3))
        x = tf.reshape(x, [*sizes(x, 2), self.width])
        return Frames(x, tf.transpose(mask)[:, :, None], variety)
