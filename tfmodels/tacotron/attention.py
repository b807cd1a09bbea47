"""Location-sensitive attention (arXiv 1506.07503; arXiv 1712.05884)."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.unrolled import Part
from tfmodels.layers.unrolled import Times
from tfmodels.tacotron.config import AttentionConfig

Memory = dict[str, tf.Tensor]
"""``values`` floating-point [b, N, C], ``keys`` floating-point [b, N, A], ``mask``
float32 [b, N], ``condition`` floating-point [b, K], what is fed to LSTMs. Of texts in
several languages ``switches`` floating-point [b, N, L], how far the language of each
symbol is from that of the first."""
# Of longer texts the matrices would cost more than the filters.
_LONGEST_AS_MATRIX = 40


class LocationAttention(keras.layers.Layer):
    """``e_j = v . tanh(W h + V m_j + U f_j + b)``, f filters over past attention.

    Args:
      config: its sizes.
      query_dim: width of h.
      memory_dim: width of m.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self, config: AttentionConfig, query_dim: int, memory_dim: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._both = config.location_inputs == "both"
        self.query_kernel = self._kernel("query_kernel", query_dim, config.dim)
        self.key_kernel = self._kernel("key_kernel", memory_dim, config.dim)
        self.filter_kernel = self._kernel(
            "filter_kernel", config.kernel, 1 + self._both, config.filters
        )
        self.location_kernel = self._kernel(
            "location_kernel", config.filters, config.dim
        )
        self.score_kernel = self._kernel("score_kernel", config.dim, 1)
        self.bias = None
        if config.bias:
            self.bias = self.add_weight(
                shape=(config.dim,), initializer="zeros", name="bias"
            )
        self.built = True

    def _kernel(self, name: str, *shape: int) -> Any:
        return self.add_weight(shape=shape, name=name)

    def keys(self, memory: tf.Tensor) -> tf.Tensor:
        """What queries are compared with, floating-point [b, N, A]."""
        keys = product(memory, self.key_kernel)
        return keys if self.bias is None else keys + value(self.bias)

    def start(self, memory: Memory) -> tf.Tensor:
        """The sum of attention before the first step, zeros, float32 [b, N]."""
        return tf.zeros_like(memory["mask"])

    def attender(self, memory: Memory) -> Part:
        """A function of the query, [b, H], the last attention and its sum so far,
        float32 [b, N], to the attention, exactly 0 on padding, and the next sum."""
        keys, mask = memory["keys"], memory["mask"]
        # Far below all scores, in float16 too.
        padding = (1 - mask) * 3e4
        located = self._locator(keys)

        def attend(
            times: Times, learned: Any, query: Any, last: Any, total: Any
        ) -> Any:
            seen = tf.stack([last, total], -1) if self._both else total[..., None]
            hidden = located.function(times, learned, tf.cast(seen, keys.dtype))
            hidden += times("query", query)[:, None]
            scores = tf.reduce_sum(tf.tanh(hidden) * learned["score"], -1)
            made = tf.nn.softmax(tf.cast(scores, tf.float32) - padding) * mask
            return made, total + made

        maps = {"query": (value(self.query_kernel),), **located.maps}
        score = value(self.score_kernel)[:, 0]
        return Part(attend, maps, {"score": score, **located.learned})

    def _locator(self, keys: tf.Tensor) -> Part:
        """From past attention, [b, N, I], to keys and what hidden nodes see of it, [b,
        N, A].

        Filters and the product after them are one kernel; of short texts it is spread
        out once into a Toeplitz matrix, so that a step is a single product.
        """
        filters, location = value(self.filter_kernel), value(self.location_kernel)
        size, inputs, _ = filters.shape
        width, before = location.shape[1], (size - 1) // 2
        kernel = tf.reshape(product(filters, location), [size, inputs, width])
        length = keys.shape[1]

        def filtered(_: Times, learned: Any, seen: tf.Tensor) -> tf.Tensor:
            steps = tf.shape(seen)[1]
            padded = tf.pad(seen, [[0, 0], [before, size - 1 - before], [0, 0]])
            parts = [padded[:, i : i + steps] for i in range(size)]
            made = product(tf.concat(parts, -1), learned["filters"])
            return learned["keys"] + made

        if length is None or length > _LONGEST_AS_MATRIX:
            kernel = tf.reshape(kernel, [-1, width])
            return Part(filtered, {}, {"filters": kernel, "keys": keys})
        # Of output j the input i meets the filter's place i - j + before.
        place = tf.range(length)[:, None] - tf.range(length)[None] + before
        inside = (place >= 0) & (place < size)
        spread = tf.gather(kernel, tf.clip_by_value(place, 0, size - 1))
        spread *= tf.cast(inside, kernel.dtype)[..., None, None]
        spread = tf.reshape(
            tf.transpose(spread, (0, 2, 1, 3)), [length * inputs, length * width]
        )

        def multiplied(times: Times, _: Any, seen: tf.Tensor) -> tf.Tensor:
            made = times("spread", tf.reshape(seen, [-1, length * inputs]))
            return tf.reshape(made, [-1, length, width])

        keys = tf.reshape(keys, [-1, length * width])
        return Part(multiplied, {"spread": (spread, keys)}, {})
