"""Additive attention (Wu et al., arXiv 1609.08144, eq 4)."""

from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf

from tfmodels.layers.lstm import value
from tfmodels.layers.matrices import Matrix


class Memory(NamedTuple):
    """The source as attention sees it; S is its length, padding included."""

    encodings: tf.Tensor
    """floating-point [b, S, H]."""
    keys: tf.Tensor
    """floating-point [b, S, A]."""
    mask: tf.Tensor
    """floating-point [b, S], 0 on padding."""


class Weights(NamedTuple):
    """What a query is compared with the keys by."""

    query: tf.Tensor
    """floating-point [H, A]."""
    score: tf.Tensor
    """floating-point [A]."""


def attend(
    query: tf.Tensor, weights: Weights, memory: Memory
) -> tuple[tf.Tensor, tf.Tensor]:
    """``softmax_t(v . tanh(W q + k_t))`` and the mean of encodings by it.

    Args:
      query: floating-point [b, H].
      weights: W and v.
      memory: k_t and the encodings.

    Returns:
      The context, floating-point [b, H], and the shares, floating-point [b, S], which
      are exactly 0 on padding.
    """
    hidden = hidden_nodes(tf.matmul(query, weights.query), memory.keys)
    scores = tf.linalg.matvec(hidden, weights.score)
    # Far below all scores, in float16 too.
    scores -= (1 - memory.mask) * 3e4
    shares = tf.nn.softmax(scores) * memory.mask
    return weighted(shares, memory.encodings), shares


def hidden_nodes(query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """``tanh(W q + k_t)``, [b, S, A], from ``W q``, [b, A]."""
    return tf.tanh(query[:, None] + keys)


def weighted(shares: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Sums of values, [b, S, H], by shares, [b, S]."""
    return tf.matmul(shares[:, None], values)[:, 0]


class AdditiveAttention(keras.layers.Layer):
    """Weights of an attention network with one hidden layer.

    Args:
      units: hidden nodes, A.
      normed: scale v to a trained length, at first ``A ** -0.5``, and add a bias to the
        hidden nodes (tensorflow/nmt, NVIDIA).
      initializer: makes an initializer of a kernel.
      **kwargs: see `keras.layers.Layer`.
    """

    matrices = {"query_kernel": Matrix(), "key_kernel": Matrix()}

    def __init__(
        self, units: int, normed: bool, initializer: Any, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.normed = normed
        self._initializer = initializer

    def build(self, input_shape: Any) -> None:
        """Makes the weights; queries and encodings are of one width."""
        square = (input_shape[-1], self.units)
        self.query_kernel = self.add_weight(
            shape=square, initializer=self._initializer(), name="query_kernel"
        )
        self.key_kernel = self.add_weight(
            shape=square, initializer=self._initializer(), name="key_kernel"
        )
        self.score = self.add_weight(
            shape=(self.units, 1), initializer=self._initializer(), name="score"
        )
        if self.normed:
            length = keras.initializers.Constant(self.units**-0.5)
            self.length = self.add_weight(shape=(), initializer=length, name="length")
            self.bias = self.add_weight(
                shape=(self.units,), initializer="zeros", name="bias"
            )
        self.built = True

    def memory(self, encodings: Any, mask: Any) -> Memory:
        """The memory of encodings, floating-point [b, S, H].

        Args:
          encodings: of the source.
          mask: floating-point [b, S], 0 on padding.
        """
        keys = tf.matmul(encodings, value(self.key_kernel))
        if self.normed:
            keys += value(self.bias)
        return Memory(encodings, keys, mask)

    def weights_of_queries(self) -> Weights:
        """What queries are compared by, the length of v settled."""
        score = value(self.score)[:, 0]
        if self.normed:
            score *= value(self.length) / tf.norm(score)
        return Weights(value(self.query_kernel), score)
