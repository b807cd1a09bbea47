"""Reads .safetensors files, and believes nothing of them that it has not checked.

Eight bytes, little-endian: the length of a header; the header, a JSON object that gives
each tensor's dtype, shape and place; then the tensors, row-major, one behind the other
(huggingface/safetensors, README, "Format").
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tfmodels.errors import DataError

_MOST_HEADER = 100_000_000
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name; bfloat16 as float32.

    Args:
      path: of the file.

    Raises:
      DataError: it is missing or cut off, or its header does not fit its contents.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: the weights cannot be read. Expected a .safetensors file."
            f" Received {error.strerror}; correct the path."
        ) from None
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_MOST_HEADER, len(content) - 8):
        raise _lie(path, f"a header of {length} bytes in a file of {len(content)}")
    try:
        header = json.loads(content[8 : 8 + length])
    except ValueError as error:
        raise _lie(path, f"a header that is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise _lie(path, f"a header that is a {type(header).__name__}, no object")
    header.pop("__metadata__", None)
    data = content[8 + length :]
    arrays = {}
    places = []
    for name, entry in header.items():
        begin, end, dtype, shape = _entry(path, name, entry, len(data))
        places.append((begin, end, name))
        array = np.frombuffer(data[begin:end], _DTYPES[dtype]).reshape(shape)
        if dtype == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        arrays[name] = array
    reached = 0
    for begin, end, name in sorted(places):
        if begin != reached:
            raise _lie(path, f"{name} from byte {begin}, where {reached} comes next")
        reached = end
    if reached != len(data):
        raise _lie(path, f"{len(data)} bytes of tensors, of which {reached} have names")
    return arrays


def _entry(
    path: Path, name: str, entry: Any, size: int
) -> tuple[int, int, str, list[int]]:
    """Begin, end, dtype and shape, all of which fit together and into the file."""
    try:
        (begin, end), dtype, shape = (
            entry["data_offsets"],
            entry["dtype"],
            entry["shape"],
        )
    except (TypeError, KeyError, ValueError):
        raise _lie(path, f"{name}, of which dtype, shape or place is missing") from None
    if dtype not in _DTYPES:
        raise _lie(path, f"{name} of dtype {dtype}, not {', '.join(_DTYPES)}")
    numbers = [begin, end, *(shape if isinstance(shape, list) else [None])]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise _lie(path, f"{name} with the shape {shape} at {begin}-{end}")
    if not begin <= end <= size:
        raise _lie(path, f"{name} at bytes {begin}-{end} of {size}: cut off, or a lie")
    needed = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
    if needed != end - begin:
        raise _lie(
            path,
            f"{name} {dtype} {shape}, {needed} bytes, in a place of {end - begin}",
        )
    return begin, end, dtype, shape


def _lie(path: Path, received: str) -> DataError:
    return DataError(
        f"{path}: not a whole .safetensors file. Expected a header that describes every"
        f" byte after it once. Received {received}; copy the file again."
    )
