"""The post-net: what is added to whole spectrograms (arXiv 1712.05884)."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.tacotron.config import TacotronConfig
from tfmodels.tacotron.convolutions import Convolution
from tfmodels.tacotron.encoders import dropped


class PostNet(keras.layers.Layer):
    """Convolutions with tanh, the last without; they see `reach` frames on each side.

    Args:
      config: the model's.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: TacotronConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        postnet = config.postnet
        self._rate, self._frozen = postnet.dropout_rate, config.frozen_norm
        self.reach = postnet.convolutions * (postnet.kernel // 2)
        """Frames before and after one that matter to it."""
        self.convolutions = []
        width = config.mel_bins
        for number in range(1, postnet.convolutions + 1):
            last = number == postnet.convolutions
            filters = config.mel_bins if last else postnet.filters
            self.convolutions.append(
                Convolution(
                    width,
                    filters,
                    postnet.kernel,
                    tf.identity if last else tf.tanh,
                    config.batch_norm,
                    name=f"postnet_convolution{number}",
                )
            )
            width = filters
        self.built = True

    def run(
        self,
        mel: tf.Tensor,
        mask: tf.Tensor,
        seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """The spectrogram with what is added to it, floating-point [b, T, M].

        Args:
          mel: floating-point [b, T, M].
          mask: float32 [b, T, 1], 0 on padding.
          seed: int64 [b, 2], of dropout, in training.
          training: whether statistics of the batch normalise.
        """
        x = mel = mel * tf.cast(mask, mel.dtype)
        for number, layer in enumerate(self.convolutions):
            x, _ = layer.run(x, mask, training and not self._frozen)
            x = dropped(x, seed, 30 + number, self._rate)
        return mel + x
