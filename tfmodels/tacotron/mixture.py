"""Attention of a mixture of normal distributions that only go on (arXiv 1910.10288)."""

import math
from typing import Any

import keras
import tensorflow as tf

from tfmodels.layers.lstm import value
from tfmodels.layers.unrolled import Part
from tfmodels.layers.unrolled import Times
from tfmodels.tacotron.attention import LocationAttention
from tfmodels.tacotron.attention import Memory
from tfmodels.tacotron.config import MixtureConfig
from tfmodels.tacotron.config import TacotronConfig

# With these biases each distribution goes on by 1 symbol and is 10 wide at first.
_FIRST_STEP, _FIRST_WIDTH = math.log(math.e - 1), math.log(math.exp(10) - 1)
_LEAST_WIDTH = 1e-3


class MixtureAttention(keras.layers.Layer):
    """``a_j = sum_k w_k N(j; m_k, s_k)``, whose means never fall: "GMM v2b".

    What it remembers are the means. Shares are not made to add up to 1: between the
    distributions and beyond the text is attention to nothing.

    Args:
      config: its sizes.
      query_dim: width of the query.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: MixtureConfig, query_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        count = self.components = config.components
        """K."""
        self.hidden_kernel = self.add_weight(
            shape=(query_dim, config.dim), name="hidden_kernel"
        )
        self.hidden_bias = self.add_weight(
            shape=(config.dim,), initializer="zeros", name="hidden_bias"
        )
        self.kernel = self.add_weight(shape=(config.dim, 3 * count), name="kernel")
        first = [0.0] * count + [_FIRST_STEP] * count + [_FIRST_WIDTH] * count
        self.bias = self.add_weight(
            shape=(3 * count,),
            initializer=lambda shape, dtype: tf.constant(first, dtype),
            name="bias",
        )
        self.built = True

    def keys(self, memory: tf.Tensor) -> tf.Tensor:
        """What queries are compared with: nothing, floating-point [b, N, 0]."""
        return memory[..., :0]

    def start(self, memory: Memory) -> tf.Tensor:
        """The means before the first step, zeros, float32 [b, K]."""
        return tf.zeros([tf.shape(memory["mask"])[0], self.components])

    def attender(self, memory: Memory) -> Part:
        """A function of the query, [b, H], the last attention, float32 [b, N], and the
        means, float32 [b, K], to the attention and the next means."""
        mask = memory["mask"]
        place = tf.range(tf.shape(mask)[1], dtype=tf.float32)
        maps = {
            "hidden": (value(self.hidden_kernel), value(self.hidden_bias)[None]),
            "mixture": (value(self.kernel), value(self.bias)[None]),
        }

        def attend(times: Times, _: Any, query: Any, last: Any, means: Any) -> Any:
            made = times("mixture", tf.tanh(times("hidden", query)))
            made = tf.cast(made, tf.float32)
            weights, steps, widths = tf.split(made, 3, -1)
            means += tf.nn.softplus(steps)
            width = tf.nn.softplus(widths) + _LEAST_WIDTH
            far = (place - means[..., None]) / width[..., None]
            height = tf.nn.softmax(weights) / (width * math.sqrt(2 * math.pi))
            shares = tf.exp(-0.5 * tf.square(far)) * height[..., None]
            return tf.reduce_sum(shares, 1) * mask, means

        return Part(attend, maps, {})


def attention_of(config: TacotronConfig) -> LocationAttention | MixtureAttention:
    """The configured attention of a decoder."""
    hidden = config.decoder.hidden_dim
    if isinstance(config.attention, MixtureConfig):
        return MixtureAttention(config.attention, hidden, name="attention")
    return LocationAttention(
        config.attention, hidden, config.memory_dim, name="attention"
    )
