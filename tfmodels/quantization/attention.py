"""Keras's attention with packed weights inside, which its configuration tells."""

from typing import Any

import keras

from tfmodels.quantization.layers import PackedWeights
from tfmodels.quantization.layers import empty_form


class QuantizedParts(keras.layers.Layer):
    """What tells a layer's configuration of packed weights in the layers inside.

    Keras makes the layers inside when it builds the outer one, in floating point; a
    saved model would then find other weights than it expects.

    Args:
      *args: of the layer that is replaced.
      parts: bits and group size by the name of a layer inside.
      **kwargs: of the layer that is replaced.
    """

    def __init__(
        self,
        *args: Any,
        parts: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.quantized_parts = dict(parts or {})

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Makes the layers inside, and room for packed weights in them."""
        super().build(query_shape, value_shape, key_shape)
        for layer in _inside(self):
            if layer.name in self.quantized_parts:
                empty_form(layer, *self.quantized_parts[layer.name])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "parts": dict(self.quantized_parts)}


@keras.saving.register_keras_serializable("tfmodels")
class QuantizedMultiHeadAttention(QuantizedParts, keras.layers.MultiHeadAttention):
    """`keras.layers.MultiHeadAttention` with packed weights inside."""


@keras.saving.register_keras_serializable("tfmodels")
class QuantizedGroupQueryAttention(QuantizedParts, keras.layers.GroupQueryAttention):
    """`keras.layers.GroupQueryAttention` with packed weights inside."""


_FORMS: dict[type, Any] = {
    keras.layers.MultiHeadAttention: QuantizedMultiHeadAttention,
    keras.layers.GroupQueryAttention: QuantizedGroupQueryAttention,
}


def tell_parts(layer: Any) -> None:
    """Has an attention layer remember which of the layers inside are packed.

    Args:
      layer: any layer; others than Keras's attention are left as they are.
    """
    parts = {
        part.name: [part.bits, part.group_size]
        for part in _inside(layer)
        if isinstance(part, PackedWeights)
    }
    if parts and type(layer) in _FORMS:
        layer.__class__ = _FORMS[type(layer)]
        layer._tracker.unlock()
        layer.quantized_parts = parts
        layer._tracker.lock()


def _inside(layer: Any) -> list[Any]:
    return list(layer._flatten_layers(include_self=False, recursive=False))
