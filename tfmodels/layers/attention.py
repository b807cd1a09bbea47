"""Attention: weighted means of values, by how well queries match keys."""

from typing import Any

import keras
from keras import ops

# exp(-1e9 - x) is 0 in float32, and sums with it stay finite.
_NEVER = -1e9


@keras.saving.register_keras_serializable("tfmodels")
class CausalAttention(keras.layers.Layer):
    """Multi-head attention of every position to itself and those before it.

    ``softmax(Q K^T / sqrt(d_head)) V`` in each head (arXiv 1706.03762, section 3.2). It
    has no weights: projections are layers of their own, so that a pipeline can be cut,
    and a quantizer can look, between them. Softmax is computed in float32. Matrix
    products and transpositions only, which TFLite has as builtin operations.

    Args:
      num_heads: heads, which share the width equally.
      num_key_value_heads: heads of keys and values, each for as many queries (arXiv
        2305.13245); as many as of queries when absent.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: (query, key, value): float [B, T, d], and two narrower ones where their
        heads are fewer.
    """

    def __init__(
        self, num_heads: int, num_key_value_heads: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.num_key_value_heads = num_key_value_heads

    def call(self, inputs: Any) -> Any:
        """Returns float [B, T, d], the heads side by side."""
        few = self.num_key_value_heads or self.num_heads
        query = self._heads(inputs[0], self.num_heads)
        key, value = (self._heads(x, few) for x in inputs[1:])
        if few < self.num_heads:
            key, value = (
                ops.repeat(x, self.num_heads // few, axis=1) for x in (key, value)
            )
        query = query * query.shape[-1] ** -0.5
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        position = ops.arange(ops.shape(scores)[-1])
        past = position[:, None] >= position[None, :]
        weights = ops.softmax(self.hide_future(ops.cast(scores, "float32"), past))
        context = ops.matmul(ops.cast(weights, value.dtype), value)
        length, width = ops.shape(inputs[0])[1], inputs[0].shape[-1]
        context = ops.transpose(context, (0, 2, 1, 3))
        return ops.reshape(context, (-1, length, width))

    def hide_future(self, scores: Any, past: Any) -> Any:
        """Makes scores, float32 [B, num_heads, T, T], vanish in softmax.

        Args:
          scores: of each query, for each key.
          past: bool [T, T], which of them are to stay.
        """
        return ops.where(past, scores, _NEVER)

    def _heads(self, x: Any, count: int) -> Any:
        """Cuts float [B, T, d] into float [B, count, T, d / count]."""
        length, width = ops.shape(x)[1], x.shape[-1]
        parts = (-1, length, count, width // count)
        return ops.transpose(ops.reshape(x, parts), (0, 2, 1, 3))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The query's shape."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_key_value_heads": self.num_key_value_heads,
        }
