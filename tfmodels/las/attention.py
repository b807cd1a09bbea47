"""Attention of several heads: additive, additive with a sense of place, or scaled
products (Chiu et al., arXiv 1712.01769; Chorowski et al., arXiv 1506.07503).

Scores are [b, M, S]: a softmax over another axis than the last would put a
transposition into loops, whose gradient XLA refuses.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfmodels.las.config import AttentionConfig
from tfmodels.las.frames import sizes
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.matrices import Matrix

Memory = dict[str, tf.Tensor]
"""``keys`` floating-point [b, M, S, A], ``values`` floating-point [b, M, S, C / M] and
``mask`` floating-point [b, S], 0 on padding."""
Attend = Callable[[tf.Tensor, Any], tuple[tf.Tensor, tf.Tensor]]
"""From a query, [b, Q], and the shares of the step before, [b, M, S], which only
`kind: location` looks at, to the context,
[b, C], and the shares, which are exactly 0 on padding."""


class Attention(keras.layers.Layer):
    """``e_t = v . tanh(A h_t + B s + b)`` or ``(A h_t) . (B s) / sqrt(width)`` in each
    head, and its mean of ``U h_t`` by ``softmax_t(e)``; heads stand side by side.

    Args:
      config: its sizes.
      query_dim: width of a query, Q.
      encoding_dim: width of an encoding.
      context_dim: width of a context, C.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self,
        config: AttentionConfig,
        query_dim: int,
        encoding_dim: int,
        context_dim: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config = config
        self.context_dim = context_dim
        heads, width = config.heads, config.width
        self._split = config.head_input == "channel_split"
        seen = encoding_dim // heads if self._split else encoding_dim
        self.query_kernel = self._kernel("query_kernel", query_dim, heads * width)
        self.key_kernel = self._of_encodings("key_kernel", seen, width)
        self.value_kernel = self.bias = self.score = None
        if config.value_projection:
            self.value_kernel = self._of_encodings(
                "value_kernel", seen, context_dim // heads
            )
        if config.kind != "dot":
            self.score = self._kernel("score", heads, width)
            if config.bias:
                self.bias = self.add_weight(
                    shape=(heads * width,), initializer="zeros", name="bias"
                )
        if config.kind == "location":
            filters = config.location_filters
            self.filters = self._kernel(
                "filters", 1, 2 * config.location_reach + 1, heads, filters
            )
            self.filter_kernel = self._kernel("filter_kernel", heads, filters, width)
        self.built = True

    @property
    def matrices(self) -> dict[str, Matrix]:
        """What can be packed; see `tfmodels.layers.matrices`."""
        of_encodings = Matrix((0, -1)) if self._split else Matrix()
        return {
            "query_kernel": Matrix(),
            "key_kernel": of_encodings,
            "value_kernel": of_encodings,
        }

    def _kernel(self, name: str, *shape: int) -> Any:
        return self.add_weight(shape=shape, name=name)

    def _of_encodings(self, name: str, seen: int, width: int) -> Any:
        """All heads' kernels: side by side, or each for its own block of channels."""
        heads = self._config.heads
        if self._split:
            return self._kernel(name, heads, seen, width)
        return self._kernel(name, seen, heads * width)

    def memory(self, encodings: tf.Tensor, mask: tf.Tensor) -> Memory:
        """What queries are compared with.

        Args:
          encodings: floating-point [b, S, H].
          mask: floating-point [b, S].
        """
        keys = self._projected(encodings, self.key_kernel)
        if self.bias is not None:
            keys += tf.reshape(value(self.bias), [self._config.heads, 1, -1])
        values = self._projected(encodings, self.value_kernel)
        return {"keys": keys, "values": values, "mask": mask}

    def _projected(self, encodings: tf.Tensor, kernel: Any) -> tf.Tensor:
        """What each head makes of encodings, [b, M, S, N]; with no kernel, sees."""
        if kernel is None:
            return self._heads(encodings)
        if self._split:
            return tf.matmul(self._heads(encodings), value(kernel))
        return self._heads(product(encodings, kernel))

    def _heads(self, x: tf.Tensor) -> tf.Tensor:
        """[b, S, M N] as [b, M, S, N]."""
        heads = self._config.heads
        x = tf.reshape(x, [*sizes(x, 2), heads, x.shape[-1] // heads])
        return tf.transpose(x, (0, 2, 1, 3))

    def first_shares(self, mask: tf.Tensor) -> tf.Tensor:
        """Shares before the first step, [b, M, S]: the same for all encodings."""
        total = tf.maximum(tf.reduce_sum(mask, -1, keepdims=True), 1)
        return tf.repeat((mask / total)[:, None], self._config.heads, axis=1)

    def attender(self, memory: Memory) -> Attend:
        """Attention to a batch; weights are read here, not in the steps."""
        config = self._config
        query_kernel = value(self.query_kernel)
        keys, values, mask = (memory[name] for name in ("keys", "values", "mask"))
        padding = (1 - mask[:, None]) * 3e4  # far below all scores, in float16 too
        score = None if self.score is None else value(self.score)[:, None]
        placed = self._placer() if config.kind == "location" else None

        def attend(query: tf.Tensor, before: Any) -> tuple[tf.Tensor, tf.Tensor]:
            asked = tf.matmul(query, query_kernel)
            asked = tf.reshape(asked, [*sizes(asked, 1), config.heads, 1, config.width])
            if score is None:
                scores = tf.reduce_sum(keys * asked, -1) * config.width**-0.5
            else:
                hidden = keys + asked
                if placed is not None:
                    hidden += placed(before)
                scores = tf.reduce_sum(tf.tanh(hidden) * score, -1)
            shares = tf.nn.softmax(scores - padding) * mask[:, None]
            context = tf.matmul(shares[:, :, None], values)
            context = tf.reshape(context, [*sizes(context, 1), self.context_dim])
            return context, shares

        return attend

    def _placer(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """From shares, [b, M, S], to what hidden nodes see of them, [b, M, S, A]."""
        filters, kernel = value(self.filters), value(self.filter_kernel)
        heads, number = filters.shape[-2:]

        def place(shares: tf.Tensor) -> tf.Tensor:
            shares = tf.transpose(shares, (0, 2, 1))
            strides = (1, 1, 1, 1)
            seen = tf.nn.depthwise_conv2d(shares[:, None], filters, strides, "SAME")
            seen = tf.reshape(seen, [*sizes(shares, 2), heads, number])
            return tf.matmul(tf.transpose(seen, (0, 2, 1, 3)), kernel)

        return place
