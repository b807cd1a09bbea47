"""Keras's linear layers and tables with weights that stay packed codes of a grid.

A layer becomes one of these where it is (`quantize_layer`), whatever holds it: a graph,
another layer, two readers of one table. They are made again from their configurations.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.layers.matrices import Matrix
from tfmodels.quantization.adapters import Adaptable
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.groups import num_groups
from tfmodels.quantization.packing import pack
from tfmodels.quantization.packing import packed_width
from tfmodels.quantization.packing import stored_bits
from tfmodels.quantization.packing import unpack_in_graph
from tfmodels.quantization.rows import matrices_of


class PackedWeights(keras.layers.Layer):
    """The part that layers of packed weights share, before the class it replaces.

    It holds ``packed`` uint8 [R, bytes], ``scale`` and ``offset`` float32 [R, groups],
    none of them trainable, in the place of the floating-point weights.

    Args:
      *args: of the layer that is replaced.
      bits: of a code, 2 to 8.
      group_size: weights of a row that share a scale; None for all.
      **kwargs: of the layer that is replaced.
    """

    floating = "_kernel"
    """The attribute that held the weights."""

    def __init__(
        self,
        *args: Any,
        bits: int = 4,
        group_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.bits = bits
        self.group_size = group_size

    def build(self, input_shape: Any = None) -> None:
        """Makes room for packed weights, and for a bias."""
        if not self.built:
            super().build(input_shape)
            self.replace_weights()

    def replace_weights(self) -> None:
        """Gives up the floating-point weights for codes, all of them 0."""
        variable = getattr(self, self.floating)
        self._untrack_variable(variable)
        self._tracker.unlock()
        setattr(self, self.floating, None)
        self.make_room(tuple(variable.shape), matrices_of(self)[self.floating])
        self._tracker.lock()

    def make_room(self, shape: tuple[int, ...], matrix: Matrix) -> None:
        """Makes the variables of codes for weights of a shape."""
        self.kernel_shape = shape
        self.row_axes = tuple(matrix.order(len(shape)))
        count, self.row_width = matrix.size(shape)
        groups = num_groups(self.row_width, self.group_size)
        size = packed_width(self.row_width, stored_bits(self.bits))
        for name, shape, dtype in (
            ("packed", (count, size), "uint8"),
            ("scale", (count, groups), "float32"),
            ("offset", (count, groups), "float32"),
        ):
            weight = self.add_weight(
                name=name,
                shape=shape,
                dtype=dtype,
                initializer="zeros",
                trainable=False,
                autocast=False,
            )
            setattr(self, name, weight)

    def set_codes(self, quantized: Quantized) -> None:
        """Takes the codes of its weights."""
        self.packed.assign(pack(quantized.codes, stored_bits(quantized.bits)))
        self.scale.assign(quantized.scale)
        self.offset.assign(quantized.offset)

    def codes(self, packed: Any, dtype: str) -> tf.Tensor:
        """Codes of some rows of ``packed``, in `dtype` [rows, n]."""
        packed = tf.convert_to_tensor(packed)
        unpacked = unpack_in_graph(packed, stored_bits(self.bits), self.row_width)
        return tf.cast(unpacked, dtype)

    def spread(self, values: Any, dtype: str) -> tf.Tensor:
        """Values of groups [rows, groups] for each of their weights [rows, n]."""
        values = tf.cast(tf.convert_to_tensor(values), dtype)
        if self.group_size is None:
            return values
        return tf.repeat(values, self.group_size, axis=1)[:, : self.row_width]

    def rows(self) -> tf.Tensor:
        """The weights that the codes stand for, float32 [R, n]."""
        codes = self.codes(self.packed, "float32")
        scale = self.spread(self.scale, "float32")
        return self.spread(self.offset, "float32") + scale * codes

    def unpacked(self) -> tf.Tensor:
        """`rows` in the shape of the weights that they replace."""
        shape = [self.kernel_shape[axis] for axis in self.row_axes]
        return tf.transpose(tf.reshape(self.rows(), shape), np.argsort(self.row_axes))

    def project(self, inputs: Any, dtype: str) -> tf.Tensor:
        """Products with all rows, `dtype` [..., R], of inputs [..., n].

        ``x . (l + s q) = (x . q) s + sum(x) l``, group by group, so that no weights are
        made of the codes. With one group to a row, scales wait until after the sum.
        """
        x = tf.cast(inputs, dtype)
        codes = self.codes(self.packed, dtype)
        whole = self.scale.shape[1] == 1
        if not whole:
            codes *= self.spread(self.scale, dtype)
        found = keras.ops.matmul(x, tf.transpose(codes))
        if whole:
            found *= tf.cast(self.scale[:, 0], dtype)
        offset = tf.cast(tf.convert_to_tensor(self.offset), dtype)
        return found + keras.ops.matmul(self._group_sums(x), tf.transpose(offset))

    def _group_sums(self, x: tf.Tensor) -> tf.Tensor:
        groups = self.scale.shape[1]
        if groups == 1:
            return tf.reduce_sum(x, -1, keepdims=True)
        missing = groups * self.group_size - self.row_width
        if missing:
            x = tf.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[0, missing]])
        shape = tf.concat([tf.shape(x)[:-1], [groups, self.group_size]], 0)
        return tf.reduce_sum(tf.reshape(x, shape), -1)

    def save_own_variables(self, store: Any) -> None:
        """Writes its weights by number; Keras's own layers expect a kernel."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote."""
        keras.layers.Layer.load_own_variables(self, store)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {"bits": self.bits, "group_size": self.group_size}
        return {**super().get_config(), **config}


class PackedKernel(PackedWeights):
    """Packed weights of a kernel."""

    @property
    def kernel(self) -> tf.Tensor:
        """The kernel that the codes stand for, of its layer's shape and numbers."""
        return tf.cast(self.unpacked(), self.compute_dtype)


@keras.saving.register_keras_serializable("tfmodels")
class QuantizedDense(Adaptable, PackedKernel, keras.layers.Dense):
    """`keras.layers.Dense` with packed weights."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns float [..., units]."""
        found = self.adapted(inputs, self.project(inputs, self.compute_dtype))
        if self.bias is not None:
            found += tf.cast(tf.convert_to_tensor(self.bias), found.dtype)
        return found if self.activation is None else self.activation(found)


@keras.saving.register_keras_serializable("tfmodels")
class QuantizedEinsumDense(PackedKernel, keras.layers.EinsumDense):
    """`keras.layers.EinsumDense` with packed weights, unpacked for each product."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns what the equation says, float."""
        found = keras.ops.einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            found += tf.cast(tf.convert_to_tensor(self.bias), found.dtype)
        return found if self.activation is None else self.activation(found)


@keras.saving.register_keras_serializable("tfmodels")
class QuantizedConv1D(PackedKernel, keras.layers.Conv1D):
    """`keras.layers.Conv1D` with packed weights, unpacked for each call."""


@keras.saving.register_keras_serializable("tfmodels")
class QuantizedConv2D(PackedKernel, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with packed weights, unpacked for each call."""


class PackedTable(PackedWeights):
    """Packed weights of a table; of a batch's tokens alone they are unpacked."""

    floating = "_embeddings"

    @property
    def embeddings(self) -> tf.Tensor:
        """The table that the codes stand for, float32 [tokens, d]."""
        return self.rows()

    def vectors(self, tokens: Any) -> tf.Tensor:
        """Rows of tokens int [...], float [..., d]."""
        tokens = tf.cast(tokens, "int32")
        flat = tf.reshape(tokens, [-1])
        packed, scale, offset = (
            tf.gather(tf.convert_to_tensor(weight), flat)
            for weight in (self.packed, self.scale, self.offset)
        )
        codes = self.codes(packed, "float32")
        found = self.spread(offset, "float32") + self.spread(scale, "float32") * codes
        shape = tf.concat([tf.shape(tokens), [self.row_width]], 0)
        found = tf.ensure_shape(tf.reshape(found, shape), [*tokens.shape, None])
        return tf.cast(found, self.compute_dtype)


@keras.saving.register_keras_serializable("tfmodels")
class QuantizedEmbedding(PackedTable, keras.layers.Embedding):
    """`keras.layers.Embedding` with packed weights."""

    def call(self, inputs: Any) -> Any:
        """Returns float [..., d] of tokens int [...]."""
        return self.vectors(inputs)


@keras.saving.register_keras_serializable("tfmodels")
class QuantizedReversibleEmbedding(PackedTable, keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding` with packed weights, for both directions."""

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Returns vectors of tokens, or scores of tokens from vectors."""
        if not reverse:
            return self.vectors(inputs)
        scores = self.project(inputs, self.reverse_dtype or self.compute_dtype)
        cap = self.logit_soft_cap
        return scores if cap is None else tf.tanh(scores / cap) * cap


FORMS: Mapping[type, Any] = {
    keras.layers.Dense: QuantizedDense,
    keras.layers.EinsumDense: QuantizedEinsumDense,
    keras.layers.Conv1D: QuantizedConv1D,
    keras.layers.Conv2D: QuantizedConv2D,
    keras.layers.Embedding: QuantizedEmbedding,
    keras.layers.ReversibleEmbedding: QuantizedReversibleEmbedding,
}
"""What each class of layers becomes; of exactly this class, not of one derived."""


def can_quantize(layer: Any) -> bool:
    """Whether a layer is built, and one of `FORMS`, with weights as Keras has them."""
    untied = getattr(layer, "tie_weights", True) is False
    return type(layer) in FORMS and layer.built and not untied


def quantize_layer(layer: Any, quantized: Quantized) -> None:
    """Turns a layer into one of packed weights, where it is.

    Args:
      layer: `can_quantize` it; it is changed.
      quantized: the codes of its `tfmodels.quantization.rows.rows_of`.
    """
    empty_form(layer, quantized.bits, quantized.group_size)
    layer.set_codes(quantized)


def empty_form(layer: Any, bits: int, group_size: int | None) -> None:
    """Turns a built layer into one of packed weights that are not yet known."""
    layer.__class__ = FORMS[type(layer)]
    layer.bits, layer.group_size = bits, group_size
    layer.replace_weights()
