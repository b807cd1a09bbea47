"""What kernels do wrong with packed weights without a word, looked for in a file.

Measured with TensorFlow 2.21 and ai-edge-litert 2.3: see the reasons below.
"""

from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import numpy as np

from export.optimal_clipping.lite.graph import FLOAT16
from export.optimal_clipping.lite.graph import FLOAT32
from export.optimal_clipping.lite.graph import INT4
from export.optimal_clipping.lite.graph import INT8
from export.optimal_clipping.lite.graph import TYPES
from export.optimal_clipping.lite.graph import Graph
from export.optimal_clipping.lite.graph import LiteFile
from export.optimal_clipping.lite.graph import blockwise
from export.optimal_clipping.lite.matrices import SMALLEST
from export.optimal_clipping.lite.packing import BLOCK
from export.optimal_clipping.lite.packing import ONES
from tfmodels.errors import CheckFailed

_DENSE, _LOOKUP, _FLOATED = (
    ("FULLY_CONNECTED", 1),
    ("EMBEDDING_LOOKUP", 1),
    ("DEQUANTIZE", 0),
)


class Entry(NamedTuple):
    """A constant of a file."""

    name: str
    """Of the layer, where the file tells it."""
    type: str
    """``INT4``, ``FLOAT32`` ..."""
    shape: tuple[int, ...]
    bytes: int


def constants(file: LiteFile) -> list[Entry]:
    """All constants of at least 1 KB, the largest first."""
    found = {}
    for graph in file.graphs:
        for number, tensor in enumerate(graph.tensors):
            size = len(graph.value(number))
            if size >= SMALLEST:
                name = (tensor.name or b"").decode()
                shape = tuple(graph.shape(number))
                entry = Entry(name, TYPES[tensor.type], shape, size)
                found[tensor.buffer, tensor.type, shape] = entry
    return sorted(found.values(), key=lambda entry: -entry.bytes)


def check_file(
    content: bytes, originals: Collection[bytes], paths: Collection[str]
) -> None:
    """Refuses a file that a kernel would compute something else from.

    Args:
      content: the bytes of a .tflite file.
      originals: the bytes of the weights in float32 that were to be packed.
      paths: of the layers of these.

    Raises:
      CheckFailed: the file has one of the forms below, or weights are in floating point
        still, or are there twice.
    """
    file = LiteFile(content)
    problems = [
        f"{_name(graph, number)}: {problem}"
        for graph in file.graphs
        for number in range(len(graph.tensors))
        for problem in _problems(graph, number)
    ]
    packed: defaultdict[str, set[int]] = defaultdict(set)
    floating = set()
    for graph in file.graphs:
        for number, tensor in enumerate(graph.tensors):
            if tensor.type in (INT4, INT8) and len(graph.value(number)):
                packed[_name(graph, number)].add(tensor.buffer)
            elif tensor.type == FLOAT32 and graph.value(number).tobytes() in originals:
                floating.add(_name(graph, number))
    problems += [f"{name}: it is still in float32" for name in sorted(floating)]
    packed.pop(ONES, None)
    problems += [
        f"{path}: it is there {len(packed[path])} times, not once"
        for path in {*paths, *packed}
        if len(packed[path]) != (path in paths)
    ]
    if problems:
        listed = "".join(f"\n  {problem}" for problem in sorted(set(problems)))
        raise CheckFailed(
            "The TFLite file would not compute what its weights say. Expected forms of"
            f" packed weights that kernels read as they are meant. Received:{listed}"
        )


def _name(graph: Graph, number: int) -> str:
    name = graph.tensors[number].name
    return name.decode() if name else f"tensor {number}"


def _problems(graph: Graph, number: int) -> Iterator[str]:
    """What is wrong with a tensor, if it is a packed constant."""
    tensor = graph.tensors[number]
    kind, value = TYPES[tensor.type], graph.value(number)
    if kind in ("UINT4", "INT2", "UINT8") and tensor.quantization and len(value):
        yield f"{kind} has no kernel; INT4 holds codes of fewer bits"
    if tensor.type not in (INT4, INT8) or not len(value):
        return
    count = int(np.prod(graph.shape(number)))
    if len(value) != (-(-count // 2) if tensor.type == INT4 else count):
        yield f"{len(value)} bytes are not {count} codes of {kind}"
    readers = set(graph.readers(number))
    if ("GATHER", 0) in readers:
        yield "GATHER reads codes as if they were numbers"
    details = blockwise(tensor)
    if details is not None:
        yield from _of_blocks(graph, number, readers, details)
        return
    others = readers - {_DENSE, _LOOKUP, _FLOATED, ("GATHER", 0)}
    if others:
        names = ", ".join(sorted(name for name, _ in others))
        yield f"{names} has no kernel for packed weights"
    quantization = tensor.quantization
    scales = None if quantization is None else quantization.scale
    if scales is None or len(scales) != graph.shape(number)[0]:
        yield "there is not one scale for each row"
    elif np.any(quantization.zeroPoint) and readers & {_DENSE, _LOOKUP}:
        # INT8: silently wrong, or an error with XNNPACK. INT4: an error.
        yield "only DEQUANTIZE knows zero points other than 0"


def _of_blocks(
    graph: Graph, number: int, readers: set[tuple[str, int]], details: Any
) -> Iterator[str]:
    if graph.tensors[number].type != INT4:
        yield "blocks are for INT4 only"
    if readers != {_DENSE}:
        # DEQUANTIZE gives zeros.
        yield "only FULLY_CONNECTED knows blocks"
    if details.zeroPoints != -1:
        yield "zero points of blocks are not read"
    if graph.tensors[number].quantization.quantizedDimension != 0:
        yield "blocks are along the last axis, and their rows the first"
    rows, width = graph.shape(number)
    if details.blockSize % BLOCK or width % details.blockSize:
        # Without XNNPACK, the kernel is slower by a factor of 2,000.
        yield f"XNNPACK has no kernel for blocks of {details.blockSize} in {width}"
        return
    if graph.tensors[details.scales].type != FLOAT16:
        yield "scales of blocks are not FLOAT16"
        return
    scales = graph.value(details.scales).view(np.float16).astype(np.float32)
    if scales.size != rows * width // details.blockSize:
        yield "there is not one scale for each block"
    # XNNPACK takes the upper half of a float32.
    if np.any(scales.view(np.uint32) & np.uint32(0xFFFF)) or not np.all(scales > 0):
        yield "a scale of a block is no positive bfloat16"
