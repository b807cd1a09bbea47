"""A .tflite file that can be changed: its tensors, constants and operators."""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT32 = schema.TensorType.FLOAT32
FLOAT16 = schema.TensorType.FLOAT16
INT32 = schema.TensorType.INT32
INT8 = schema.TensorType.INT8
INT4 = schema.TensorType.INT4

TYPES = {code: name for name, code in vars(schema.TensorType).items() if name.isupper()}
"""Names of element types by their codes."""
_OPERATORS = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()
}
# Versions of operators that know the types they are given here.
_VERSIONS = {"FULLY_CONNECTED": 13, "EMBEDDING_LOOKUP": 3, "DEQUANTIZE": 3}
_OF_ARRAYS = {"float32": FLOAT32, "float16": FLOAT16, "int32": INT32}


class LiteFile:
    """A whole file.

    Args:
      content: the bytes of a .tflite file.
    """

    def __init__(self, content: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(content, 0)
        self._known: dict[bytes, int] = {}
        self.graphs = [Graph(self, graph) for graph in self._model.subgraphs]

    def packed(self) -> bytes:
        """The bytes of the file as it is now, without constants that nobody reads."""
        used = {0} | {data.buffer for data in self._model.metadata or ()}
        for graph in self.graphs:
            graph.drop_unused()
            used |= {tensor.buffer for tensor in graph.tensors}
        for number, buffer in enumerate(self._model.buffers):
            if number not in used:
                buffer.data = None
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def data(self, buffer: int) -> np.ndarray:
        """The bytes of a constant, uint8; none of them if it is no constant."""
        data = self._model.buffers[buffer].data
        return np.empty(0, np.uint8) if data is None else np.asarray(data, np.uint8)

    def buffer(self, data: np.ndarray) -> int:
        """The number of a buffer of these bytes; equal ones are stored once."""
        content = np.ascontiguousarray(data).tobytes()
        if content not in self._known:
            self._known[content] = len(self._model.buffers)
            kept = np.frombuffer(content, np.uint8)
            self._model.buffers.append(schema.BufferT(data=kept))
        return self._known[content]

    def named(self, graph: "Graph") -> Iterator[Any]:
        """What the schema says of inputs and outputs of a graph that have names."""
        for signature in self._model.signatureDefs or ():
            if self.graphs[signature.subgraphIndex] is graph:
                yield from (*signature.inputs, *signature.outputs)

    def name(self, operator: Any) -> str:
        """The name of an operator, such as ``FULLY_CONNECTED``."""
        code = self._model.operatorCodes[operator.opcodeIndex]
        return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def code(self, name: str) -> int:
        """The index of an operator's code, of a version that knows packed types."""
        number, version = getattr(schema.BuiltinOperator, name), _VERSIONS.get(name, 1)
        codes = self._model.operatorCodes
        for index, code in enumerate(codes):
            if code.builtinCode == number and code.version == version:
                return index
        codes.append(
            schema.OperatorCodeT(
                deprecatedBuiltinCode=min(number, 127),
                version=version,
                builtinCode=number,
            )
        )
        return len(codes) - 1


class Graph:
    """One of a file's graphs.

    Args:
      file: that it is of.
      graph: as the schema has it.
    """

    def __init__(self, file: LiteFile, graph: Any) -> None:
        self.file = file
        self._graph = graph
        self._graph.operators = list(graph.operators or ())
        self._graph.tensors = list(graph.tensors)

    @property
    def tensors(self) -> list[Any]:
        """All of its tensors."""
        tensors: list[Any] = self._graph.tensors
        return tensors

    @property
    def operators(self) -> list[Any]:
        """Its operators, in the order of computation."""
        operators: list[Any] = self._graph.operators
        return operators

    @operators.setter
    def operators(self, operators: Sequence[Any]) -> None:
        self._graph.operators = list(operators)

    def readers(self, tensor: int) -> Iterator[tuple[str, int]]:
        """Names of operators that read a tensor, and at which of their inputs."""
        for operator in self.operators:
            for place, number in enumerate(operator.inputs):
                if number == tensor:
                    yield self.file.name(operator), place

    def value(self, tensor: int) -> np.ndarray:
        """A constant's bytes, uint8; none of them if it is no constant."""
        return self.file.data(self.tensors[tensor].buffer)

    def shape(self, tensor: int) -> list[int]:
        """Sizes of a tensor's axes."""
        shape = self.tensors[tensor].shape
        return [] if shape is None else [int(size) for size in shape]

    def known(self, tensor: int) -> list[int]:
        """Sizes of a tensor's axes, -1 of those that only a running program knows."""
        signature = self.tensors[tensor].shapeSignature
        if signature is None:
            return self.shape(tensor)
        return [int(size) for size in signature]

    def add(self, shape: Sequence[int], kind: int = FLOAT32, **values: Any) -> int:
        """The number of a new tensor.

        Args:
          shape: of it.
          kind: its element type.
          **values: other fields of the schema's tensor.
        """
        tensor = schema.TensorT(shape=np.array(shape, np.int32), type=kind, **values)
        tensor.hasRank = True
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, array: np.ndarray) -> int:
        """The number of a new constant: float32, float16 or int32."""
        kind = _OF_ARRAYS[array.dtype.name]
        return self.add(array.shape, kind, buffer=self.file.buffer(array))

    def like(self, tensor: int, width: int | None = None) -> int:
        """The number of a new tensor of another's shape and type.

        Args:
          tensor: the other one.
          width: size of the last axis, if that differs.
        """
        shape, signature = self.shape(tensor), self.tensors[tensor].shapeSignature
        if width is not None:
            shape[-1] = width
            if signature is not None:
                signature = np.array([*signature[:-1], width], np.int32)
        kind = self.tensors[tensor].type
        return self.add(shape, kind, shapeSignature=signature)

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
    ) -> Any:
        """A new operator, which is not yet in the graph.

        Args:
          name: such as ``ADD``.
          inputs: numbers of tensors.
          outputs: likewise.
          options: of the schema's class for this operator.
        """
        made = schema.OperatorT(opcodeIndex=self.file.code(name))
        made.inputs = np.array(inputs, np.int32)
        made.outputs = np.array(outputs, np.int32)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = options
        return made

    def drop_unused(self) -> None:
        """Takes away tensors that nothing reads or writes, and names of inner ones."""
        graph = self._graph
        ends = {int(n) for n in (*graph.inputs, *graph.outputs)}
        used = set(ends)
        for operator in self.operators:
            for numbers in _lists(operator):
                used |= {int(number) for number in numbers if number >= 0}
        found = [blockwise(self.tensors[number]) for number in used]
        blocks = [details for details in found if details is not None]
        used |= {details.scales for details in blocks}
        moved = {old: new for new, old in enumerate(sorted(used))}
        for operator in self.operators:
            for numbers in _lists(operator):
                numbers[:] = [moved[int(n)] if n >= 0 else n for n in numbers]
        for details in blocks:
            details.scales = moved[details.scales]
        graph.inputs = np.array([moved[int(n)] for n in graph.inputs], np.int32)
        graph.outputs = np.array([moved[int(n)] for n in graph.outputs], np.int32)
        for entry in self.file.named(self):
            entry.tensorIndex = moved[entry.tensorIndex]
        for number in used - ends:
            if not len(self.value(number)):
                self.tensors[number].name = None
        graph.tensors = [self.tensors[number] for number in sorted(used)]


def blockwise(tensor: Any) -> Any:
    """What the schema says of a tensor in blocks; None of others."""
    quantization = tensor.quantization
    details = None if quantization is None else quantization.details
    return details if isinstance(details, schema.BlockwiseQuantizationT) else None


def _lists(operator: Any) -> Iterator[np.ndarray]:
    for name in ("inputs", "outputs", "intermediates"):
        numbers = getattr(operator, name)
        if numbers is not None and len(numbers):
            numbers = np.array(numbers, np.int32)  # What was read cannot be written.
            setattr(operator, name, numbers)
            yield numbers
