"""Small trained products beside packed weights (LoRA, arXiv 2106.09685).

``y = W x + (alpha / r) B A x``: the packed W stays as it is, A and B of rank r learn.
"""

from typing import Any

import keras
import tensorflow as tf


class Adaptable(keras.layers.Layer):
    """The part of a packed linear layer that trains beside it, if one is added.

    It stands before the class of packed weights, whose ``kernel_shape`` it needs.

    Args:
      *args: of the layer.
      adapter_rank: r, or None for no adapter.
      adapter_alpha: see the module.
      **kwargs: of the layer.
    """

    adapter_rank: int | None = None
    adapter_alpha: float = 1.0

    def __init__(
        self,
        *args: Any,
        adapter_rank: int | None = None,
        adapter_alpha: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.adapter_rank = adapter_rank
        self.adapter_alpha = adapter_alpha

    def build(self, input_shape: Any = None) -> None:
        """Makes room for packed weights, and for an adapter that the layer has."""
        if not self.built:
            super().build(input_shape)
            if self.adapter_rank is not None:
                self.add_adapter(self.adapter_rank, self.adapter_alpha)

    def add_adapter(self, rank: int, alpha: float) -> None:
        """Adds one that changes nothing yet: B is 0, A is random; a bias stays."""
        self.adapter_rank, self.adapter_alpha = rank, alpha
        width, units = self.kernel_shape
        self._tracker.unlock()
        self.adapter_down = self.add_weight(
            name="adapter_down", shape=(width, rank), initializer="he_uniform"
        )
        self.adapter_up = self.add_weight(
            name="adapter_up", shape=(rank, units), initializer="zeros"
        )
        self._tracker.lock()
        if self.bias is not None:
            self.bias.trainable = False

    def adapted(self, inputs: Any, found: tf.Tensor) -> tf.Tensor:
        """What the packed weights found, [..., units], with what the adapter adds."""
        if self.adapter_rank is None:
            return found
        down, up = (
            tf.cast(tf.convert_to_tensor(weight), found.dtype)
            for weight in (self.adapter_down, self.adapter_up)
        )
        low = keras.ops.matmul(tf.cast(inputs, found.dtype), down)
        return found + keras.ops.matmul(low, up) * (
            self.adapter_alpha / self.adapter_rank
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {
            "adapter_rank": self.adapter_rank,
            "adapter_alpha": self.adapter_alpha,
        }
        return {**super().get_config(), **config}
