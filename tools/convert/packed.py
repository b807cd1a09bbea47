"""Files of packed weights: made of .safetensors matrix by matrix, and read again.

A packed tensor ``x`` is three: ``x.packed`` of codes, ``x.scale`` and ``x.offset`` of
its groups. The file's ``__metadata__`` says how codes are packed.
"""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from typing import NamedTuple

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.groups import num_groups
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy
from tools.convert.safetensors import DTYPES
from tools.convert.safetensors import Tensor
from tools.convert.safetensors import open_safetensors
from tools.convert.transformers import family_of

if TYPE_CHECKING:
    from export.optimal_clipping.figures import LayerFigures
    from export.optimal_clipping.progress import Progress

_NOTE = "packed"
_TABLES = ("embed_tokens.weight", "wte.weight")
_POSITIONS = "wpe.weight"


class _Part(NamedTuple):
    """A tensor of the new file."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(DTYPES[self.dtype]).itemsize


class _Plan(NamedTuple):
    """What becomes of a tensor."""

    name: str
    tensor: Tensor
    path: str
    """For rules and reports."""
    rule: ClippingRule | None
    """None where it stays."""
    outputs: int
    """Axis of its rows."""

    @property
    def rows(self) -> tuple[int, int]:
        shape = self.tensor.shape
        return shape[self.outputs], shape[1 - self.outputs]

    def parts(self) -> list[_Part]:
        """Tensors that it becomes."""
        from tfmodels.quantization.packing import packed_width
        from tfmodels.quantization.packing import stored_bits

        if self.rule is None:
            return [_Part(self.name, self.tensor.dtype, self.tensor.shape)]
        count, width = self.rows
        size = self.rule.group_size
        groups = 1 if size == "tensor" else num_groups(width, size)
        codes = packed_width(width, stored_bits(self.rule.bits))
        return [
            _Part(f"{self.name}.packed", "U8", (count, codes)),
            _Part(f"{self.name}.scale", "BF16", (count, groups)),
            _Part(f"{self.name}.offset", "F32", (count, groups)),
        ]


def clip_file(source: Path, output: Path, policy: Policy) -> "list[LayerFigures]":
    """Packs the weights of a file; of its matrices one at a time is in memory.

    A job that was killed goes on where it was: finished matrices are kept in a folder
    beside the output until that is there.

    Args:
      source: .safetensors of a known family.
      output: the new file.
      policy: what becomes of which tensor, by its name with ``/`` for dots and without
        ``.weight``.

    Returns:
      Figures of each packed tensor.

    Raises:
      ConfigError: the output is there already, or a rule needs data.
      DataError: the source is damaged, a weight is not finite, or the disk is full.
    """
    from export.optimal_clipping.progress import Progress

    if output.exists():
        raise ConfigError(
            f"{output} is already there. Expected --output to be a new file. Received"
            f" {output}; remove it or choose another."
        )
    plans = _plans(source, policy)
    progress = Progress(output.parent / f".{output.name}.progress")
    partial = output.with_name(f".{output.name}.partial")
    figures: list[LayerFigures] = []
    try:
        with partial.open("wb") as file:
            file.write(_header(plans))
            for plan in plans:
                for array in _arrays(plan, progress, figures):
                    array.tofile(file)
        partial.replace(output)
    except OSError as error:
        raise DataError(
            f"{output}: the packed weights cannot be written. Expected a writable"
            f" folder with free space for --output. Received: {error}."
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    shutil.rmtree(progress.folder, ignore_errors=True)
    return figures


def _plans(source: Path, policy: Policy) -> list[_Plan]:
    tensors = open_safetensors(source).tensors
    family, _ = family_of(tensors, source)
    plans = []
    for name, tensor in sorted(tensors.items()):
        path = name.removesuffix(".weight").replace(".", "/")
        table = name.endswith(_TABLES)
        rule = None
        # Norms and biases have one axis, masks have four.
        matrix = len(tensor.shape) == 2 and name.endswith(".weight")
        if matrix and not name.endswith(_POSITIONS):
            rule = policy.rule(path, "table" if table else "linear")
        head = table or name.endswith("lm_head.weight")
        plans.append(_Plan(name, tensor, path, rule, 0 if head else family.outputs))
    if all(plan.rule is None for plan in plans):
        raise DataError(
            f"{source}: there is nothing to pack. Expected matrices. Received"
            f" {len(plans)} tensors, none of them one."
        )
    return plans


def _header(plans: list[_Plan]) -> bytes:
    entries: dict[str, object] = {}
    notes, place = {}, 0
    for plan in plans:
        if plan.rule is not None:
            size = plan.rule.group_size
            notes[plan.name] = {
                "bits": plan.rule.bits,
                "group_size": None if size == "tensor" else size,
                "width": plan.rows[1],
                "outputs": plan.outputs,
            }
        for part in plan.parts():
            end = place + part.num_bytes
            entries[part.name] = {
                "dtype": part.dtype,
                "shape": list(part.shape),
                "data_offsets": [place, end],
            }
            place = end
    text = json.dumps({"__metadata__": {_NOTE: json.dumps(notes)}, **entries}).encode()
    return len(text).to_bytes(8, "little") + text


def _arrays(
    plan: _Plan, progress: "Progress", figures: "list[LayerFigures]"
) -> Iterator[np.ndarray]:
    """The tensors of `_Plan.parts`."""
    from export.optimal_clipping.figures import figures_of
    from tfmodels.quantization.packing import pack
    from tfmodels.quantization.packing import stored_bits
    from tfmodels.quantization.targets import Solved
    from tfmodels.quantization.targets import solve_rows

    if plan.rule is None:
        yield plan.tensor.raw()
        return
    rows = plan.tensor.read().astype(np.float32)
    rows = np.ascontiguousarray(rows if plan.outputs == 0 else rows.T)
    key = progress.key(rows, plan.rule)
    kept = progress.read(plan.path, key)
    solved = Solved(*kept) if kept else solve_rows(rows, plan.rule, plan.name)
    if kept is None:
        progress.write(plan.path, key, *solved)
    figures.append(figures_of(plan.path, plan.rule, rows, *solved))
    codes = solved.quantized
    yield pack(codes.codes, stored_bits(codes.bits))
    # Scales are numbers of bfloat16: nothing is lost.
    yield (codes.scale.view(np.uint32) >> 16).astype(np.uint16)
    yield np.ascontiguousarray(codes.offset, np.float32)


def read_packed(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name, packed ones as the weights that codes stand for.

    Raises:
      DataError: the file is damaged.
    """
    from tfmodels.quantization.packing import stored_bits
    from tfmodels.quantization.packing import unpack

    opened = open_safetensors(path)
    arrays = {name: tensor.read() for name, tensor in opened.tensors.items()}
    try:
        notes = json.loads(opened.notes.get(_NOTE, "{}"))
        for name, note in notes.items():
            packed, scale, offset = (
                arrays.pop(f"{name}.{part}") for part in ("packed", "scale", "offset")
            )
            codes = unpack(packed, stored_bits(note["bits"]), note["width"])
            rows = Quantized(
                codes, scale, offset, note["bits"], note["group_size"]
            ).dequantize()
            arrays[name] = rows if note["outputs"] == 0 else rows.T
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise DataError(
            f"{path}: packed weights that do not fit together. Expected codes, scales"
            " and offsets as tfmodels convert clip writes them. Received"
            f" {error!r}; pack the weights again."
        ) from None
    return arrays
