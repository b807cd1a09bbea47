"""Encoders: of text, which know nothing of the speaker, and of the target."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.seeded import kept
from tfmodels.tacotron.config import ResidualEncoderConfig
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.tacotron.convolutions import Convolution
from tfmodels.tacotron.convolutions import there
from tfmodels.tacotron.recurrent import Bidirectional


class TextEncoder(keras.layers.Layer):
    """Symbols and tones in, encodings out (US11580952B2, claim 5; arXiv 1712.05884).

    Args:
      config: the model's.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: TacotronConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        encoder = config.encoder
        self._rate, self._frozen = encoder.dropout_rate, config.frozen_norm
        start = keras.initializers.RandomNormal(0, config.table_std)
        self.embedding = self.add_weight(
            shape=(config.num_symbols, encoder.dim), initializer=start, name="symbols"
        )
        self.tones = None
        if config.num_tones:
            self.tones = self.add_weight(
                shape=(config.num_tones, encoder.dim),
                initializer=start.clone(),
                name="tones",
            )
        self.convolutions = [
            Convolution(
                encoder.dim,
                encoder.dim,
                encoder.kernel,
                tf.nn.relu,
                config.batch_norm,
                name=f"encoder_convolution{number}",
            )
            for number in range(1, encoder.convolutions + 1)
        ]
        self.lstm = Bidirectional(
            encoder.dim,
            encoder.dim // 2,
            encoder.zoneout_rate,
            config.num_biases,
            name="encoder_lstm",
        )
        self.built = True

    def run(
        self, source: dict[str, Any], training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Encodings, floating-point [b, N, D], and their mask, float32 [b, N, 1].

        Args:
          source: ``symbols`` int32 [b, N], ``symbol_lengths`` int32 [b]; ``tones``
            int32 [b, N] where there is a table; ``seed`` int64 [b, 2] in training.
          training: whether dropout and statistics of the batch are used.
        """
        symbols = tf.convert_to_tensor(source["symbols"])
        mask = there(source["symbol_lengths"], symbols.shape[1] or tf.shape(symbols)[1])
        x = tf.gather(value(self.embedding), symbols)
        if self.tones is not None:
            x += tf.gather(value(self.tones), source["tones"])
        x *= tf.cast(mask, x.dtype)
        seed = source["seed"] if training else None
        for number, layer in enumerate(self.convolutions):
            x, _ = layer.run(x, mask, training and not self._frozen)
            x = dropped(x, seed, 10 + number, self._rate)
        return self.lstm.run(x, mask, seed), mask


class ResidualEncoder(keras.layers.Layer):
    """A target in, mean and log variance of its residual out (arXiv 1810.07217).

    Args:
      residual: its sizes.
      mel_bins: width of the target.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self, residual: ResidualEncoderConfig, mel_bins: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        width = mel_bins
        self.convolutions = []
        for number, stride in enumerate(residual.strides, 1):
            self.convolutions.append(
                Convolution(
                    width,
                    residual.filters,
                    3,
                    tf.nn.relu,
                    stride=stride,
                    name=f"residual_convolution{number}",
                )
            )
            width = residual.filters
        self.lstms = []
        for number in (1, 2):
            layer = Bidirectional(
                width, residual.hidden_dim, name=f"residual_lstm{number}"
            )
            self.lstms.append(layer)
            width = 2 * residual.hidden_dim
        self.kernel = self.add_weight(shape=(width, 2 * residual.dim), name="kernel")
        self.bias = self.add_weight(
            shape=(2 * residual.dim,), initializer="zeros", name="bias"
        )
        self.built = True

    def run(self, mel: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log variance, floating-point [b, Z].

        Args:
          mel: floating-point [b, T, M], 0 on padding.
          mask: float32 [b, T, 1].
        """
        x = mel
        for layer in self.convolutions:
            x, mask = layer.run(x, mask)
        for lstm in self.lstms:
            x = lstm.run(x, mask)
        count = tf.maximum(tf.reduce_sum(tf.cast(mask, x.dtype), 1), 1)
        mean = tf.reduce_sum(x, 1) / count
        mean, log_variance = tf.split(
            product(mean, self.kernel) + value(self.bias), 2, -1
        )
        return mean, log_variance


def dropped(
    x: tf.Tensor, seed: tf.Tensor | None, stream: int, rate: float
) -> tf.Tensor:
    """Dropout of [b, T, D] from seeds of rows; none without a seed."""
    if seed is None or not rate:
        return x
    steps = x.shape[1] or tf.shape(x)[1]
    return x * tf.cast(kept(seed, stream, (steps, x.shape[-1]), rate), x.dtype)
