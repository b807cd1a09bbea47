"""What is inside a .tflite file: its operators, the types it computes in, its size."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ai_edge_litert import schema_py_generated as schema

from tfmodels.errors import CheckFailed
from tfmodels.errors import DataError

_FLOATS = ("FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16")
_NOT_BUILTIN = ("CUSTOM", "DELEGATE")
_INSTEAD = {
    "LOCAL_RESPONSE_NORMALIZATION": "Local response normalisation has no integer form:"
    " train a variant with batch normalisation instead (model.variant: bn).",
}


def _names(table: type) -> dict[int, str]:
    return {code: name for name, code in vars(table).items() if isinstance(code, int)}


class Operator(NamedTuple):
    """One operator of a flatbuffer."""

    name: str
    """The built-in's name in the schema, such as ``CONV_2D``; a custom operator's own
    name, such as ``FlexLRN``, otherwise."""
    builtin: bool
    """Whether every TFLite runtime has it."""
    types: frozenset[str]
    """Element types of its inputs and outputs, such as ``INT8``."""


def operators(content: bytes) -> Iterator[Operator]:
    """Yields the operators of all subgraphs of a TFLite flatbuffer, in order.

    Args:
      content: the bytes of a .tflite file.

    Raises:
      DataError: the bytes are no TFLite flatbuffer.
    """
    if content[4:8] != b"TFL3":
        raise DataError(
            "The model is not a TFLite file. Expected the identifier TFL3 at byte 4."
            f" Received: {content[4:8]!r}."
        )
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    codes = _names(schema.BuiltinOperator)
    types = _names(schema.TensorType)
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            # Files of before 2021 keep small codes in the deprecated field only.
            name = codes[max(code.builtinCode, code.deprecatedBuiltinCode)]
            builtin = name not in _NOT_BUILTIN
            tensors = [*operator.inputs, *operator.outputs]
            yield Operator(
                name if builtin else code.customCode.decode(),
                builtin,
                # -1 stands for an optional input that is absent.
                frozenset(types[graph.tensors[t].type] for t in tensors if t >= 0),
            )


def count_operators(content: bytes) -> dict[str, int]:
    """How often each operator occurs in a TFLite flatbuffer, by name.

    Raises:
      DataError: the bytes are no TFLite flatbuffer.
    """
    return dict(sorted(Counter(op.name for op in operators(content)).items()))


def check_builtin(content: bytes) -> None:
    """Refuses a flatbuffer with operators that a plain TFLite runtime lacks.

    Raises:
      CheckFailed: it holds Flex (TensorFlow) or custom operators; all are named.
    """
    foreign = sorted({op.name for op in operators(content) if not op.builtin})
    if foreign:
        raise CheckFailed(
            "The model needs operators that TFLite does not have. Expected: built-in"
            f" operators only. Received: {', '.join(foreign)}."
        )


def check_integer(content: bytes) -> None:
    """Refuses a flatbuffer that computes anything in floating point.

    The converter leaves an operator that it cannot quantize in float32, between
    DEQUANTIZE and QUANTIZE, and does not say so.

    Args:
      content: the bytes of a .tflite file.

    Raises:
      CheckFailed: a tensor is floating point; the operators that touch one are named.
    """
    floating = Counter(
        op.name for op in operators(content) if not op.types.isdisjoint(_FLOATS)
    )
    if floating:
        found = ", ".join(f"{name} x {count}" for name, count in floating.items())
        advice = [text for name, text in _INSTEAD.items() if name in floating]
        advice.append("Or choose --preset tflite_dynamic, which computes in float32.")
        raise CheckFailed(
            "The converted model is not integer-only. Expected: no floating-point"
            f" tensor. Received floating-point operators: {found}. {' '.join(advice)}"
        )
