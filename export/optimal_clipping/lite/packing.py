"""Packed weights as tensors of a .tflite file, in the forms that kernels can read."""

from typing import Literal
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.optimal_clipping.lite.graph import INT4
from export.optimal_clipping.lite.graph import INT8
from export.optimal_clipping.lite.graph import Graph
from export.optimal_clipping.lite.matrices import Matrix
from tfmodels.errors import ConfigError
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.groups import num_steps
from tfmodels.quantization.packing import pack
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.ranges import Ranges
from tfmodels.quantization.ranges import solve
from tfmodels.quantization.targets import Solved

Form = Literal["dynamic", "weight_only"]
"""How packed weights are computed with. dynamic: as integers, with activations made
int8 as they come. weight_only: made float32 again when the program starts."""

ONES = "ones"
"""The name of a matrix that sums inputs up."""
BLOCK = 32
"""Weights in a row that kernels read at once: groups are multiples of it."""
SMALLEST_SCALE = 2.0**-17
"""Below it, float16 does not hold all eight digits of a bfloat16."""


class Packed(NamedTuple):
    """The weights of a layer in integers; real ones are ``scale * code + offset``."""

    path: str
    rule: ClippingRule
    """What was applied in the end."""
    codes: np.ndarray
    """int8 [R, n], n filled up to whole groups with 0."""
    scale: np.ndarray
    """float32 [R, groups]."""
    offset: np.ndarray
    """float32 [R, groups]; all 0 for symmetric weights."""
    zero: np.ndarray
    """int64 [R, groups]: codes of 0, in place of an offset; of convolutions."""
    width: int
    """Weights of a row that are some."""

    @property
    def kind(self) -> int:
        """The element type of the codes in the file."""
        return INT4 if self.rule.bits <= 4 else INT8

    @property
    def size(self) -> int:
        """Weights in a group."""
        return self.codes.shape[1] // self.scale.shape[1]

    @property
    def data(self) -> np.ndarray:
        """The codes as the file has them: two in a byte, or one."""
        if self.kind == INT8:
            return self.codes.view(np.uint8)
        low = (self.codes.view(np.uint8) & 15).reshape(1, -1)
        return pack(low, 4)


def fitted(rule: ClippingRule, width: int, convolution: bool) -> ClippingRule:
    """A rule as kernels can follow it.

    Codes of 8 bits have one range for a row, since blocks are for codes of 4; so have
    rows that are no longer than a group, and convolutions whose filters are not whole
    groups. The zero point of a convolution is a code.

    Raises:
      ConfigError: groups are no multiples of a kernel's blocks, or the rule asks for
        the layer's inputs.
    """
    if rule.calibration is not None:
        raise ConfigError(
            "export.clipping: calibration: matrices of a TFLite file are packed without"
            " examples. Expected none, or --preset saved_model_int4_clipped. Received"
            f" {rule.calibration}."
        )
    changes: dict[str, object] = {}
    size = rule.group_size
    if isinstance(size, int):
        if rule.bits > 4 or width <= size or (convolution and width % size):
            changes["group_size"] = None
        elif size % BLOCK:
            raise ConfigError(
                "export.clipping: group_size: TFLite has no kernel for such groups."
                f" Expected a multiple of {BLOCK}, or null for whole rows. Received"
                f" {size}."
            )
    if convolution and rule.zero_point == "real":
        changes["zero_point"] = "integer"
    return rule.model_copy(update=changes)


def solved(matrix: Matrix) -> tuple[ClippingRule, Solved]:
    """Ranges and codes of weights whose scales a file can hold.

    Raises:
      ConfigError: the rule asks for what no kernel can do.
      DataError: a weight is not finite.
    """
    rows, convolution = matrix.rows, matrix.convolution
    rule = fitted(matrix.rule, rows.shape[1], convolution)
    low, high = solve(rows, rule.bits, rule.method, rule.group_size, name=matrix.path)
    # A step below that would be stored as another one.
    least = SMALLEST_SCALE * num_steps(rule.bits)
    narrow = (high > low) & (high - low < least)
    middle = (low + high) / 2
    low = np.where(narrow, middle - least / 2, low)
    high = np.where(narrow, middle + least / 2, high)
    size = None if rule.group_size == "tensor" else rule.group_size
    made = quantize(rows, low, high, rule.bits, rule.zero_point, size)
    return rule, Solved(Ranges(low, high), made)


def packed(matrix: Matrix, rule: ClippingRule, made: Quantized) -> Packed:
    """Weights as a file has them.

    Args:
      matrix: which ones.
      rule: what was applied to them.
      made: their codes.
    """
    half = 2 ** (rule.bits - 1)
    width = made.codes.shape[1]
    whole = made.scale.shape[1] * (made.group_size or width)
    # Two codes of 4 bits are a byte, which no two rows share.
    whole += whole % 2 if rule.bits <= 4 and not matrix.convolution else 0
    signed = made.codes.astype(np.int16) - half
    codes = np.pad(signed, [(0, 0), (0, whole - width)]).astype(np.int8)
    offset = (made.offset + half * made.scale).astype(np.float32)
    zero = np.zeros(made.scale.shape, np.int64)
    if matrix.convolution:
        zero = np.rint(made.zero_points()).astype(np.int64) - half
        offset = np.zeros_like(offset)
    return Packed(matrix.path, rule, codes, made.scale, offset, zero, width)


def rows_tensor(graph: Graph, weights: Packed, shape: list[int] | None = None) -> int:
    """A tensor [R * groups, size of a group], with a scale for each of its rows.

    Args:
      graph: where to add it.
      weights: the packed ones.
      shape: another one, whose first axis is as long.
    """
    quantization = schema.QuantizationParametersT(
        scale=weights.scale.reshape(-1),
        zeroPoint=weights.zero.reshape(-1),
        quantizedDimension=0,
    )
    return graph.add(
        shape or [weights.scale.size, weights.size],
        weights.kind,
        buffer=graph.file.buffer(weights.data),
        quantization=quantization,
        name=weights.path.encode(),
    )


def blocks_tensor(graph: Graph, weights: Packed) -> int:
    """A tensor [R, n] in blocks, with a scale in float16 for each; no zero points."""
    details = schema.BlockwiseQuantizationT(
        scales=graph.constant(weights.scale.astype(np.float16)),
        zeroPoints=-1,
        blockSize=weights.size,
    )
    quantization = schema.QuantizationParametersT(
        detailsType=schema.QuantizationDetails.BlockwiseQuantization,
        details=details,
        quantizedDimension=0,
    )
    return graph.add(
        weights.codes.shape,
        weights.kind,
        buffer=graph.file.buffer(weights.data),
        quantization=quantization,
        name=weights.path.encode(),
    )


def ones_tensor(graph: Graph, ones: np.ndarray) -> int:
    """A matrix of ones and zeros [groups, n], n even, in codes that are exact."""
    count = len(ones)
    quantization = schema.QuantizationParametersT(
        scale=np.ones(count, np.float32),
        zeroPoint=np.zeros(count, np.int64),
        quantizedDimension=0,
    )
    return graph.add(
        ones.shape,
        INT4,
        buffer=graph.file.buffer(pack(ones.astype(np.uint8), 4)),
        quantization=quantization,
        name=ONES.encode(),
    )
