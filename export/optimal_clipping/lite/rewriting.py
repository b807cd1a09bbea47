"""Operators of a .tflite graph that read weights, written anew for packed ones.

``x . (scale q + offset) = x . (scale q) + sum(x) offset``, the sum over each group: the
first product is a kernel's own, which knows no offsets.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.optimal_clipping.lite.graph import INT32
from export.optimal_clipping.lite.graph import Graph
from export.optimal_clipping.lite.packing import Form
from export.optimal_clipping.lite.packing import Packed
from export.optimal_clipping.lite.packing import blocks_tensor
from export.optimal_clipping.lite.packing import ones_tensor
from export.optimal_clipping.lite.packing import rows_tensor

_NONE = -1
_NO_ACTIVATION = schema.ActivationFunctionType.NONE


def rewrite(graph: Graph, weights: Mapping[int, Packed], form: Form) -> None:
    """Has all operators of a graph read packed weights.

    Args:
      graph: it is changed.
      weights: by the buffers that hold them in floating point.
      form: how to compute with those of `FULLY_CONNECTED`.
    """
    _Rewriting(graph, weights, form).run()


class _Rewriting:
    """The new operators of a graph, in the making."""

    def __init__(self, graph: Graph, weights: Mapping[int, Packed], form: Form) -> None:
        self._graph = graph
        self._weights = weights
        self._form = form
        self._made: list[Any] = []
        # Tensors that several operators share, by what they are.
        self._shared: dict[tuple[Any, ...], int] = {}

    def run(self) -> None:
        """Puts the new operators in the place of the old."""
        changes = {
            ("FULLY_CONNECTED", 1): self._dense,
            ("GATHER", 0): self._table,
            ("CONV_2D", 1): self._convolution,
        }
        for operator in self._graph.operators:
            name = self._graph.file.name(operator)
            for place, number in enumerate(operator.inputs):
                buffer = self._graph.tensors[number].buffer if number >= 0 else 0
                if (name, place) in changes and buffer in self._weights:
                    changes[name, place](operator, self._weights[buffer])
                    break
            else:
                self._made.append(operator)
        self._graph.operators = self._made

    def _dense(self, operator: Any, weights: Packed) -> None:
        x, _, *rest = (int(number) for number in operator.inputs)
        bias = rest[0] if rest else _NONE
        [y] = operator.outputs
        options = operator.builtinOptions
        x = self._filled(x, weights)
        codes = self._operand(weights)
        if not weights.offset.any():
            self._add("FULLY_CONNECTED", [x, codes, bias], [y], options)
            return
        plain = schema.FullyConnectedOptionsT(keepNumDims=options.keepNumDims)
        parts = self._graph.like(y), self._graph.like(y)
        offset = self._constant(weights.offset)
        sums = self._sums(x, weights)
        self._add("FULLY_CONNECTED", [x, codes, _NONE], parts[:1], plain)
        self._add("FULLY_CONNECTED", [sums, offset, bias], parts[1:], plain)
        activation = options.fusedActivationFunction
        self._add("ADD", parts, [y], schema.AddOptionsT(activation))

    def _operand(self, weights: Packed) -> int:
        """The weights as `FULLY_CONNECTED` reads them."""
        if self._form == "weight_only":
            return self._floating(weights, list(weights.codes.shape))
        if weights.scale.shape[1] == 1:
            return self._rows(weights)
        key = ("blocks", weights.path)
        if key not in self._shared:
            self._shared[key] = blocks_tensor(self._graph, weights)
        return self._shared[key]

    def _rows(self, weights: Packed) -> int:
        key = ("rows", weights.path)
        if key not in self._shared:
            self._shared[key] = rows_tensor(self._graph, weights)
        return self._shared[key]

    def _floating(self, weights: Packed, shape: list[int]) -> int:
        """Weights that are made float32 when the program starts."""
        key = ("floating", weights.path)
        if key not in self._shared:
            codes = self._rows(weights)
            made = self._graph.add(self._graph.shape(codes))
            self._add("DEQUANTIZE", [codes], [made], schema.DequantizeOptionsT())
            self._shared[key] = self._reshaped(made, shape)
        return self._shared[key]

    def _filled(self, x: int, weights: Packed) -> int:
        """An input with zeros behind, where its last group is short of some."""
        missing = weights.codes.shape[1] - weights.width
        key = ("filled", x, missing)
        if missing and key not in self._shared:
            shape = self._graph.shape(x)
            amounts = np.zeros((len(shape), 2), np.int32)
            amounts[-1, 1] = missing
            filled = self._graph.like(x, shape[-1] + missing)
            inputs = [x, self._constant(amounts)]
            self._add("PAD", inputs, [filled], schema.PadOptionsT())
            self._shared[key] = filled
        return self._shared[key] if missing else x

    def _sums(self, x: int, weights: Packed) -> int:
        """The sum over each group of an input, [..., groups].

        They are a product with a matrix of ones and zeros, since shapes that are known
        only when the program runs could not be split into groups.
        """
        key = ("sums", x, weights.size)
        if key not in self._shared:
            groups, size = weights.scale.shape[1], weights.size
            sums = self._graph.like(x, groups)
            ones = np.repeat(np.eye(groups, dtype=np.float32), size, axis=1)
            if self._form == "dynamic":
                chosen = self._ones(ones)
            else:
                chosen = self._constant(ones)
            options = schema.FullyConnectedOptionsT(keepNumDims=True)
            self._add("FULLY_CONNECTED", [x, chosen, _NONE], [sums], options)
            self._shared[key] = sums
        return self._shared[key]

    def _ones(self, ones: np.ndarray) -> int:
        key = ("ones", *ones.shape)
        if key not in self._shared:
            self._shared[key] = ones_tensor(self._graph, ones)
        return self._shared[key]

    def _table(self, operator: Any, weights: Packed) -> None:
        indices = int(operator.inputs[1])
        [y] = operator.outputs
        groups = weights.scale.shape[1]
        ids = self._ids(indices, groups)
        count = self._graph.shape(ids)[0]
        made = self._graph.add([count, weights.size])
        self._add("EMBEDDING_LOOKUP", [ids, self._rows(weights)], [made])
        if weights.offset.any():
            column = self._constant(weights.offset.reshape(-1, 1))
            offsets, whole = self._graph.add([count, 1]), self._graph.like(made)
            self._add("GATHER", [column, ids], [offsets], schema.GatherOptionsT())
            self._add("ADD", [made, offsets], [whole], schema.AddOptionsT())
            made = whole
        self._reshaped(made, self._graph.known(y), True, y)

    def _ids(self, indices: int, groups: int) -> int:
        """Rows of a table for tokens, int32 [n]; a token has one for each group."""
        if self._graph.tensors[indices].type != INT32:
            cast = self._graph.add(self._graph.shape(indices), INT32)
            options = schema.CastOptionsT(outDataType=INT32)
            self._add("CAST", [indices], [cast], options)
            indices = cast
        count = int(np.prod(self._graph.shape(indices), dtype=int))
        if groups == 1:
            return self._reshaped(indices, [count], True)
        column = self._reshaped(indices, [count, 1], True)
        first, each = (self._graph.add([count, n], INT32) for n in (1, groups))
        inputs = [column, self._constant(np.array([[groups]]))]
        self._add("MUL", inputs, [first], schema.MulOptionsT())
        inputs = [first, self._constant(np.arange(groups)[None])]
        self._add("ADD", inputs, [each], schema.AddOptionsT())
        return self._reshaped(each, [count * groups], True)

    def _convolution(self, operator: Any, weights: Packed) -> None:
        filters = self._graph.shape(int(operator.inputs[1]))
        inputs = [int(number) for number in operator.inputs]
        inputs[1] = self._floating(weights, filters)
        operator.inputs = np.array(inputs, np.int32)
        self._made.append(operator)

    def _reshaped(
        self, x: int, shape: list[int], longer: bool = False, y: int | None = None
    ) -> int:
        """A tensor in another shape; itself if that is its own.

        Args:
          x: the tensor.
          shape: wanted; if an axis is not known, -1 is its size.
          longer: whether the first axis, if all are known, may become longer than it
            was converted for.
          y: where to write.
        """
        if y is None and self._graph.shape(x) == shape:
            return x
        if y is None:
            y = self._graph.add(shape, self._graph.tensors[x].type)
        if longer and -1 not in shape:
            shape = [-1, *shape[1:]]
        wanted = np.array(shape, np.int32)
        options = schema.ReshapeOptionsT(newShape=wanted)
        self._add("RESHAPE", [x, self._constant(wanted)], [y], options)
        return y

    def _constant(self, array: np.ndarray) -> int:
        if array.dtype != np.float32:
            array = array.astype(np.int32)
        key = ("constant", array.dtype.name, array.shape, array.tobytes())
        if key not in self._shared:
            self._shared[key] = self._graph.constant(array)
        return self._shared[key]

    def _add(self, name: str, inputs: Any, outputs: Any, options: Any = None) -> None:
        self._made.append(self._graph.operator(name, inputs, outputs, options))
