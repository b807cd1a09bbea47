"""WaveRNN (Kalchbrenner et al., arXiv 1802.08435): one recurrent layer, two bytes.

``u, r = sigmoid(R h + I x + m)``, ``e = tanh(r (R h) + I x + m)``, ``h' = u h + (1 - u)
e``, m from the spectrum. x is the last sample's two bytes and, for the half of the
state that makes the low byte, this sample's high one (equation 2).
"""

from typing import Any
from typing import Self

import keras
import tensorflow as tf

from tfmodels.layers.gru import gated
from tfmodels.layers.gru import gru_sequence
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.seeded import uniforms
from tfmodels.wavernn.config import WaveRNNConfig

NUM_VALUES = 256
"""Of a byte."""
SILENCE = 2**15
"""What samples from -32768 on are counted from."""
_COARSE, _FINE = 1, 2


def as_bytes(samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """High and low bytes, int32, of samples from -1 to 1."""
    numbers = tf.round(tf.clip_by_value(samples, -1, 1) * SILENCE)
    numbers = tf.minimum(tf.cast(numbers, tf.int32) + SILENCE, 2 * SILENCE - 1)
    return numbers // NUM_VALUES, numbers % NUM_VALUES


def as_samples(coarse: tf.Tensor, fine: tf.Tensor) -> tf.Tensor:
    """The inverse of `as_bytes`, float32."""
    return tf.cast(NUM_VALUES * coarse + fine - SILENCE, tf.float32) / SILENCE


@keras.saving.register_keras_serializable("tfmodels")
class WaveRNN(keras.Model):
    """Samples from spectra.

    Called with a dict: ``mel`` float32 [b, W + 2 c, M], log energies of W frames and of
    c around them; ``coarse`` and ``fine`` int32 [b, L + 1], bytes of the L = W hop
    samples and of the one before. It returns ``logits`` float32 [b, L, 256] of the high
    bytes and ``fine_logits`` of the low ones, each of what is before it.

    Energies are normalised by ``mel_mean`` and ``mel_std``, float32 [M], which do not
    learn.

    Args:
      config: its sizes.
      **kwargs: see `keras.Model`.
    """

    def __init__(self, config: WaveRNNConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = config
        for name, start in {"mel_mean": "zeros", "mel_std": "ones"}.items():
            weight = self.add_weight(
                shape=(config.mel_bins,),
                initializer=start,
                trainable=False,
                autocast=False,
                name=name,
            )
            setattr(self, name, weight)
        hidden, half = config.hidden_dim, config.hidden_dim // 2
        self.recurrent_kernel = self._weight("recurrent_kernel", hidden, 3 * hidden)
        self.coarse_kernel = self._weight("coarse_kernel", 2, 3 * half)
        self.fine_kernel = self._weight("fine_kernel", 3, 3 * half)
        self.bias = self._weight("bias", 3 * hidden, start="zeros")
        self.heads = []
        for name in ("coarse", "fine"):
            widths = (half, half, NUM_VALUES)
            self.heads.append(
                [
                    (
                        self._weight(f"{name}{n}_kernel", *widths[n : n + 2]),
                        self._weight(f"{name}{n}_bias", widths[n + 1], start="zeros"),
                    )
                    for n in (0, 1)
                ]
            )
        self.upsampler = []
        width = config.mel_bins
        for number, stride in enumerate(config.upsampling, 1):
            layer = keras.layers.Conv1DTranspose(
                config.channels,
                2 * stride,
                stride,
                padding="same",
                name=f"upsampling{number}",
            )
            layer.build((None, None, width))
            self.upsampler.append(layer)
            width = config.channels
        self.condition_kernel = self._weight("condition_kernel", width, 3 * hidden)
        self.built = True

    def _weight(self, name: str, *shape: int, start: str = "glorot_uniform") -> Any:
        return self.add_weight(shape=shape, initializer=start, name=name)

    @property
    def config(self) -> WaveRNNConfig:
        """What the model was built from."""
        return self._config

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Returns what is made of given samples; see the class."""
        numbers = self.compute_dtype
        coarse, fine = (scaled(inputs[name], numbers) for name in ("coarse", "fine"))
        before = tf.stack([coarse[:, :-1], fine[:, :-1]], -1)
        with_coarse = tf.concat([before, coarse[:, 1:, None]], -1)
        told = self.condition(inputs["mel"])
        parts = [
            product(before, self.coarse_kernel),
            product(with_coarse, self.fine_kernel),
        ]
        # In each gate, the half of the high byte before that of the low one.
        halves = [tf.stack(tf.split(part, 3, -1), -2) for part in parts]
        seen = tf.concat(halves, -1)
        sums = told + tf.reshape(seen, tf.shape(told))
        sums = tf.transpose(sums, (1, 0, 2))
        first = tf.zeros([tf.shape(sums)[1], self._config.hidden_dim], sums.dtype)
        states = gru_sequence(sums, value(self.recurrent_kernel), first)
        high, low = tf.split(tf.transpose(states, (1, 0, 2)), 2, -1)
        return {"logits": self.scores(0, high), "fine_logits": self.scores(1, low)}

    def condition(self, mel: tf.Tensor) -> tf.Tensor:
        """What gates add for each sample, [b, W hop, 3 H], of [b, W + 2 c, M]."""
        config = self._config
        x = tf.cast(mel, tf.float32) - value(self.mel_mean)
        x = tf.cast(x / value(self.mel_std), self.compute_dtype)
        for layer in self.upsampler:
            x = tf.nn.relu(layer(x))
        edge = config.context * config.hop
        x = x[:, edge : tf.shape(x)[1] - edge]
        return product(x, self.condition_kernel) + value(self.bias)

    def scores(self, place: int, state: tf.Tensor) -> tf.Tensor:
        """Logits, float32 [..., 256], of a half of the state, [..., H / 2]."""
        (kernel, bias), (last_kernel, last_bias) = self.heads[place]
        x = tf.nn.relu(product(state, kernel) + value(bias))
        return tf.cast(product(x, last_kernel) + value(last_bias), tf.float32)

    def sample(self, mel: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Samples of spectra, drawn one after another.

        Args:
          mel: see the class.
          seed: int64 [b, 2].

        Returns:
          float32 [b, W hop].
        """
        told = tf.transpose(self.condition(mel), (1, 0, 2))
        length, rows = tf.shape(told)[0], tf.shape(told)[1]
        recurrent = value(self.recurrent_kernel)
        arrays = tf.TensorArray(tf.int32, length, element_shape=[None, 2])
        draws = [uniforms(seed, stream, length) for stream in (_COARSE, _FINE)]
        hidden = self._config.hidden_dim

        def body(t: Any, h: Any, last: Any, array: Any) -> Any:
            sums = tf.matmul(h, recurrent)
            before = scaled(last, told.dtype)
            high, low = self._halves(sums, told[t])
            old_high, old_low = tf.split(h, 2, -1)
            seen = product(before, self.coarse_kernel)
            new_high = gated(high[0], high[1] + seen, old_high)
            coarse = drawn(self.scores(0, new_high), draws[0][:, t])
            before = tf.concat([before, scaled(coarse, told.dtype)[:, None]], -1)
            seen = product(before, self.fine_kernel)
            new_low = gated(low[0], low[1] + seen, old_low)
            fine = drawn(self.scores(1, new_low), draws[1][:, t])
            last = tf.stack([coarse, fine], -1)
            return t + 1, tf.concat([new_high, new_low], -1), last, array.write(t, last)

        first = tf.zeros([rows, hidden], told.dtype)
        silence = tf.tile([[SILENCE // NUM_VALUES, SILENCE % NUM_VALUES]], [rows, 1])
        *_, array = tf.while_loop(
            lambda t, *_: t < length, body, (0, first, silence, arrays)
        )
        coarse, fine = tf.unstack(array.stack(), axis=-1)
        return tf.transpose(as_samples(coarse, fine))

    def _halves(self, sums: tf.Tensor, told: tf.Tensor) -> Any:
        """Both sums of the half of the high byte, and of that of the low one."""
        parts = [tf.split(each, 6, -1) for each in (sums, told)]
        return [[tf.concat(each[place::2], -1) for each in parts] for place in (0, 1)]

    def get_config(self) -> dict[str, Any]:
        """The model's configuration as plain data."""
        return {"config": self._config.plain()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the model from what `get_config` returned."""
        values = WaveRNNConfig.parse(config["config"])
        return cls(values, name=values.kind)


def scaled(values: tf.Tensor, dtype: Any) -> tf.Tensor:
    """Bytes from -1 to 1."""
    return tf.cast(tf.cast(values, tf.float32) / 127.5 - 1, dtype)


def drawn(logits: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """A value of each row of logits [b, K] where its uniform number is, int32 [b]."""
    below = tf.cumsum(tf.nn.softmax(logits), -1) <= uniform[:, None]
    found = tf.reduce_sum(tf.cast(below, tf.int32), -1)
    return tf.minimum(found, logits.shape[-1] - 1)


def wavernn(config: WaveRNNConfig) -> WaveRNN:
    """The model of a configuration, with fresh weights."""
    return WaveRNN(config, name=config.kind)
