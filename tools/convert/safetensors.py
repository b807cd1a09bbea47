"""Reads .safetensors files, and believes nothing of them that it has not checked.

Eight bytes, little-endian: the length of a header; the header, a JSON object that gives
each tensor's dtype, shape and place; then the tensors, row-major, one behind the other
(huggingface/safetensors, README, "Format").
"""

import json
import math
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError

_MOST_HEADER = 100_000_000
# More than any file, and few enough for an axis of an array.
_MOST = 2**48
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "U8": "|u1"}


class Tensor(NamedTuple):
    """A tensor in a file, not yet read."""

    path: Path
    start: int
    """Byte of the file at which it begins."""
    dtype: str
    """A key of `DTYPES`."""
    shape: tuple[int, ...]

    def raw(self) -> np.ndarray:
        """Its numbers as they are stored."""
        count = math.prod(self.shape)
        kept = np.fromfile(self.path, DTYPES[self.dtype], count, offset=self.start)
        return kept.reshape(self.shape)

    def read(self) -> np.ndarray:
        """The tensor; bfloat16 as float32."""
        array = self.raw()
        if self.dtype == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        return array


class Opened(NamedTuple):
    """What a file says of itself."""

    tensors: dict[str, Tensor]
    notes: dict[str, str]
    """Its ``__metadata__``."""


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name; see `open_safetensors`."""
    return {name: x.read() for name, x in open_safetensors(path).tensors.items()}


def open_safetensors(path: Path) -> Opened:
    """Reads the header of a file, and no tensor.

    Args:
      path: of the file.

    Raises:
      DataError: it is missing or cut off, or its header does not fit its contents.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(_MOST_HEADER, size - 8):
                raise _lie(path, f"a header of {length} bytes in a file of {size}")
            text = file.read(length)
    except OSError as error:
        raise DataError(
            f"{path}: the weights cannot be read. Expected a .safetensors file."
            f" Received {error.strerror}; correct the path."
        ) from None
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _lie(path, f"a header that is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise _lie(path, f"a header that is a {type(header).__name__}, no object")
    notes = header.pop("__metadata__", None) or {}
    first, data = 8 + length, size - 8 - length
    tensors = {}
    places = []
    for name, entry in header.items():
        begin, end, dtype, shape = _entry(path, name, entry, data)
        places.append((begin, end, name))
        tensors[name] = Tensor(path, first + begin, dtype, tuple(shape))
    reached = 0
    for begin, end, name in sorted(places):
        if begin != reached:
            raise _lie(path, f"{name} from byte {begin}, where {reached} comes next")
        reached = end
    if reached != data:
        raise _lie(path, f"{data} bytes of tensors, of which {reached} have names")
    return Opened(tensors, notes)


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
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _lie(path, f"{name} of dtype {dtype}, not {', '.join(DTYPES)}")
    numbers = [begin, end, *(shape if isinstance(shape, list) else [None])]
    if not all(type(number) is int and 0 <= number <= _MOST for number in numbers):
        raise _lie(path, f"{name} with the shape {shape} at {begin}-{end}")
    if not begin <= end <= size:
        raise _lie(path, f"{name} at bytes {begin}-{end} of {size}: cut off, or a lie")
    needed = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
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
