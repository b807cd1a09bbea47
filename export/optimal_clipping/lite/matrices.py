"""Finds a model's weights among the constants of its .tflite file, by their content."""

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from export.optimal_clipping.lite.graph import FLOAT32
from export.optimal_clipping.lite.graph import Graph
from export.optimal_clipping.lite.graph import LiteFile
from tfmodels.errors import CheckFailed
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy

SMALLEST = 1024
"""Bytes of a constant below which it is left as it is."""

# Who reads packed weights, and at which input.
_DENSE, _TABLE, _CONVOLUTION = ("FULLY_CONNECTED", 1), ("GATHER", 0), ("CONV_2D", 1)
_READERS = {_DENSE, _TABLE, _CONVOLUTION}


@dataclass
class Constant:
    """A constant of a file, wherever it is read."""

    buffer: int
    shape: list[int]
    readers: set[tuple[str, int]] = field(default_factory=set)
    """Operators, and at which of their inputs."""
    obstacle: str = ""
    """Why it cannot be packed, if that is not its readers' fault."""


class Matrix(NamedTuple):
    """Weights that are to be packed."""

    path: str
    """Of the layer, for rules and reports."""
    buffer: int
    """Where the file has them."""
    rows: np.ndarray
    """float32 [R, n]."""
    rule: ClippingRule
    convolution: bool
    """Whether it is read as a convolution's filters."""


class Kept(NamedTuple):
    """Weights, or other constants, that stay as they are."""

    path: str
    shape: tuple[int, ...]
    reason: str


def find_matrices(
    file: LiteFile, model: keras.Model, policy: Policy
) -> tuple[list[Matrix], list[Kept]]:
    """The weights of a model that its file can have in packed form, and the others.

    Args:
      file: what the model was converted to, in float32.
      model: as it was converted.
      policy: which layers are packed, and how.

    Returns:
      What to pack, by path; what not, and why.

    Raises:
      CheckFailed: the converter has merged a layer's weights with something else, or
        there is nothing to pack.
    """
    found: list[Matrix] = []
    kept: list[Kept] = []
    missing = {_path(weight): weight for weight in _weights(model)}
    weights = {path: _forms(weight) for path, weight in missing.items()}
    names = {form: path for path, forms in weights.items() for form in forms}
    strange: list[Constant] = []
    for constant in _constants(file):
        content = file.data(constant.buffer).tobytes()
        path = names.get(content) or _limited(content, weights)
        if path is None:
            strange.append(constant)
            continue
        missing.pop(path, None)
        reason = _obstacle(constant)
        table = _TABLE in constant.readers
        rule = policy.rule(path, "table" if table else "linear")
        if reason or rule is None:
            reason = reason or "a rule keeps it in floating point"
            kept.append(Kept(path, tuple(constant.shape), reason))
            continue
        data = file.data(constant.buffer).view(np.float32)
        rows = data.reshape(constant.shape[0], -1)
        convolution = _CONVOLUTION in constant.readers
        found.append(Matrix(path, constant.buffer, rows, rule, convolution))
    _refuse_merged(missing, strange, policy)
    kept += [
        Kept(path, tuple(weight.shape), "the file does not have it as a constant")
        for path, weight in missing.items()
    ]
    kept += [
        Kept("", tuple(constant.shape), "no weight of the model")
        for constant in strange
    ]
    if not found:
        listed = "".join(f"\n  {each.path}: {each.reason}" for each in kept if each[0])
        raise CheckFailed(
            "There is nothing to pack in the TFLite file. Expected matrices of at least"
            f" {SMALLEST} bytes that FULLY_CONNECTED, GATHER or CONV_2D read. Received"
            f" none that a rule of export.clipping lets go:{listed or ' no weights'}."
        )
    return sorted(found, key=lambda matrix: matrix.path), kept


def _path(weight: Any) -> str:
    """A layer's path, and its weight's name unless that is its kernel or table."""
    layer, _, name = weight.path.rpartition("/")
    return layer if name in ("kernel", "embeddings") else f"{layer}/{name}"


def _weights(model: keras.Model) -> Iterator[Any]:
    for weight in model.weights:
        if len(weight.shape) > 1 and 4 * np.prod(weight.shape) >= SMALLEST:
            yield weight


def _forms(weight: Any) -> set[bytes]:
    """What the converter makes of weights: the same, or with the outputs first."""
    value = np.asarray(keras.ops.convert_to_numpy(weight), np.float32)
    orders = (value, np.moveaxis(value, -1, 0), np.moveaxis(value, 0, -1))
    return {np.ascontiguousarray(order).tobytes() for order in orders}


def _limited(content: bytes, weights: Mapping[str, set[bytes]]) -> str | None:
    """A name for weights of the model that were limited in magnitude."""
    constant = np.frombuffer(content, np.float32)
    limit = np.abs(constant).max()
    for path, forms in weights.items():
        for form in forms:
            value = np.frombuffer(form, np.float32)
            if len(value) == len(constant) and np.array_equal(
                np.clip(value, -limit, limit), constant
            ):
                return f"{path}/limited"
    return None


def _constants(file: LiteFile) -> list[Constant]:
    """Constants in float32 that are large enough, with all that read them."""
    found: dict[int, Constant] = {}
    for graph in file.graphs:
        readers = _readers(graph)
        for number, tensor in enumerate(graph.tensors):
            size, shape = len(graph.value(number)), graph.shape(number)
            if tensor.type != FLOAT32 or size < SMALLEST or len(shape) < 2:
                continue
            constant = found.setdefault(tensor.buffer, Constant(tensor.buffer, shape))
            if shape != constant.shape:
                constant.obstacle = "it is read in several shapes"
            for operator, place in readers[number]:
                name = graph.file.name(operator)
                constant.readers.add((name, place))
                options = operator.builtinOptions
                if name == "GATHER" and (options.axis, options.batchDims) != (0, 0):
                    constant.obstacle = "GATHER reads other than whole rows of it"
                elif name == "GATHER" and _unknown(graph, operator) > 1:
                    constant.obstacle = "GATHER is of a shape of several unknown sizes"
    return [constant for constant in found.values() if constant.readers]


def _unknown(graph: Graph, operator: Any) -> int:
    """How many axes of an operator's result only a running program knows."""
    return graph.known(int(operator.outputs[0])).count(-1)


def _readers(graph: Graph) -> dict[int, list[tuple[Any, int]]]:
    readers = defaultdict(list)
    for operator in graph.operators:
        for place, number in enumerate(operator.inputs):
            readers[int(number)].append((operator, place))
    return readers


def _obstacle(constant: Constant) -> str:
    """Why no kernel takes a constant in packed form; nothing if all do."""
    others = sorted({name for name, _ in constant.readers - _READERS})
    if others:
        return f"{', '.join(others)} has no kernel for packed weights"
    if _CONVOLUTION in constant.readers and len(constant.readers) > 1:
        return "a convolution and another operator read it"
    return constant.obstacle


def _refuse_merged(
    missing: dict[str, Any], strange: list[Constant], policy: Policy
) -> None:
    """Refuses a file in which weights are no longer those that were trained.

    The converter multiplies a gain that comes just before a matrix into it.
    """
    sizes = {
        int(np.prod(constant.shape))
        for constant in strange
        if constant.readers & {_DENSE, _CONVOLUTION}
    }
    merged = [
        path
        for path, weight in missing.items()
        if int(np.prod(weight.shape)) in sizes and policy.rule(path, "linear")
    ]
    if merged:
        raise CheckFailed(
            "The TFLite file does not have all weights that are to be packed. Expected"
            " the values that were trained. Received others, which the converter has"
            f" multiplied by a constant before or after: {', '.join(merged)}. Multiply"
            " such a gain by the rest of the normalisation first, or keep these layers"
            " in floating point: export.clipping, keep."
        )
