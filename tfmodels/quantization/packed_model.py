"""Packed weights in the place of layers' own variables, and models that have such."""

from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
import tensorflow as tf
from keras.src.models.functional import Functional

from tfmodels.layers.matrices import Matrix
from tfmodels.quantization.layers import PackedWeights
from tfmodels.quantization.layers import can_quantize
from tfmodels.quantization.layers import empty_form
from tfmodels.quantization.rows import matrices_of


class PackedMatrix(PackedWeights):
    """Packed weights that are read like the variable in whose place they are.

    Args:
      shape: of the variable.
      matrix: what its axes mean.
      bits: of a code, 2 to 8.
      group_size: weights of a row that share a scale; None for all.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        matrix: Matrix,
        bits: int,
        group_size: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(bits=bits, group_size=group_size, **kwargs)
        self.make_room(shape, matrix)
        self.built = True

    @property
    def shape(self) -> tf.TensorShape:
        """Of the weights."""
        return tf.TensorShape(self.kernel_shape)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        """The weights that the codes stand for."""
        return tf.cast(self.unpacked(), dtype or self.compute_dtype)


def pack_matrix(
    layers: Sequence[Any], layer: Any, name: str, bits: int, group_size: int | None
) -> PackedMatrix:
    """Puts codes that are not yet known in the place of a variable, wherever it is.

    Args:
      layers: all that may hold the variable: a model and the layers in it.
      layer: one that says what the variable is.
      name: a key of its `matrices_of`.
      bits: of a code.
      group_size: weights of a row that share a scale, or None for all.
    """
    variable, matrix = getattr(layer, name), matrices_of(layer)[name]
    shape = tuple(variable.shape)
    packed = PackedMatrix(shape, matrix, bits, group_size, name=variable.name)
    for holder, key in holders(layers, variable):
        owned = [*holder._trainable_variables, *holder._non_trainable_variables]
        if any(variable is own for own in owned):
            holder._untrack_variable(variable)
        holder._tracker.unlock()
        setattr(holder, key, packed)
        holder._tracker.lock()
    return packed


def holders(layers: Sequence[Any], variable: Any) -> list[tuple[Any, str]]:
    """Who reads a variable, and by which attribute, of layers that may."""
    return [
        (layer, key)
        for layer in layers
        for key, held in vars(layer).items()
        if held is variable
    ]


@keras.saving.register_keras_serializable("tfmodels")
class PackedModel(keras.Model):
    """A model whose configuration does not tell of its packed weights; this one's does.

    Args:
      model: of packed weights.
      parts: where they are: the number of a layer among `_layers_of`, the attribute, or
        "" for a layer of Keras's, bits, and group size.
      **kwargs: see `keras.Model`.
    """

    def __init__(self, model: keras.Model, parts: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self._parts = tuple(map(tuple, parts))
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns what the model does."""
        return self.model(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """The model's configuration, and where it is packed."""
        model = keras.saving.serialize_keras_object(self.model)
        return {"model": model, "parts": [list(part) for part in self._parts]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the model, with room for codes."""
        model = keras.saving.deserialize_keras_object(config["model"])
        layers = _layers_of(model)
        for number, name, bits, group_size in config["parts"]:
            layer = layers[number]
            if name:
                pack_matrix(layers, layer, name, bits, group_size)
            elif can_quantize(layer):
                empty_form(layer, bits, group_size)
        return cls(model, config["parts"])


def storable(model: keras.Model) -> keras.Model:
    """A model that Keras can write and read back, whatever is packed in it.

    Args:
      model: after `pack_matrix` and `tfmodels.quantization.layers.quantize_layer`.
    """
    parts: list[tuple[int, str, int, int | None]] = []
    known: list[PackedMatrix] = []
    for number, layer in enumerate(_layers_of(model)):
        if isinstance(layer, PackedWeights):
            parts.append((number, "", layer.bits, layer.group_size))
        # Keras numbers what a layer holds in the order in which it came to it.
        for held in layer._layers:
            names = [key for key in matrices_of(layer) if vars(layer).get(key) is held]
            if isinstance(held, PackedMatrix) and names and held not in known:
                known.append(held)
                parts.append((number, names[0], held.bits, held.group_size))
    # Of these alone the configuration is that of their layers.
    plain = type(model) in (Functional, keras.Sequential)
    return model if plain and not known else PackedModel(model, parts)


def _layers_of(model: keras.Model) -> list[Any]:
    """A model and all in it, but packed matrices: as many as before it was packed."""
    return [
        layer
        for layer in model._flatten_layers()
        if not isinstance(layer, PackedMatrix)
    ]
