"""Codes of weights on an even grid, and the weights that the codes stand for."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.quantization.groups import join
from tfmodels.quantization.groups import num_groups
from tfmodels.quantization.groups import num_steps
from tfmodels.quantization.groups import split
from tfmodels.quantization.groups import spread

ZeroPoint = Literal["real", "integer", "symmetric"]
"""Where 0 lies. real: anywhere, the grid starts at the lower bound. integer: on a
level. symmetric: on the level in the middle, the one below which there are most."""

Scales = Literal["bfloat16", "float32"]
"""Numbers that steps are rounded to before codes are made."""

# The smallest normal number of float32 and of bfloat16.
_SMALLEST = 2.0**-126


@dataclass(frozen=True)
class Quantized:
    """Weights as codes q of a grid: ``offset + scale * q``."""

    codes: np.ndarray
    """uint8 [R, n], 0 to 2^bits - 1."""
    scale: np.ndarray
    """float32 [R, groups], positive."""
    offset: np.ndarray
    """float32 [R, groups]; an exact multiple of the scale where 0 is on a level."""
    bits: int
    group_size: int | None
    """Weights of a row that share a scale; None for all."""

    def dequantize(self) -> np.ndarray:
        """The weights that the codes stand for, float32 [R, n]."""
        width = self.codes.shape[1]
        scale = spread(self.scale, width, self.group_size)
        offset = spread(self.offset, width, self.group_size)
        return offset + scale * self.codes.astype(np.float32)

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest level, float32 [R, groups] each."""
        return self.offset, self.offset + self.scale * num_steps(self.bits)

    def zero_points(self) -> np.ndarray:
        """Codes of 0, float32 [R, groups]; whole numbers unless they are real."""
        return -self.offset / self.scale


def quantize(
    weights: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    bits: int,
    zero_point: ZeroPoint = "real",
    group_size: int | None = None,
    scales: Scales = "bfloat16",
) -> Quantized:
    """Clips weights to ranges and rounds them to the levels of even grids.

    Halves are rounded to even. The step is rounded first, so that files store the very
    one that the codes were made with. A range of no width has the step 1, and its
    weights are exact.

    Args:
      weights: float [R, n].
      low: lower bounds [R, groups].
      high: upper bounds, of the same shape.
      bits: of a code.
      zero_point: where 0 lies. Of two whole zero points that are as near, the one of
        the smaller error is taken, its step fitted to the weights; the range is first
        widened to hold 0.
      group_size: weights of a row that share a range, or None for all.
      scales: ``"float32"`` leaves steps as they are.

    Raises:
      ConfigError: the numbers of bits, groups and bounds do not fit one another.
    """
    steps = num_steps(bits)
    expected = (len(weights), num_groups(weights.shape[1], group_size))
    if low.shape != expected or high.shape != expected:
        raise ConfigError(
            "a range does not belong to these weights. Expected bounds of shape"
            f" {expected} for group_size {group_size}. Received {low.shape} and"
            f" {high.shape}."
        )
    low, high = low.astype(np.float64), high.astype(np.float64)
    if zero_point == "real":
        flat = high <= low
        scale = _stored(np.where(flat, 1, (high - low) / steps), scales)
        # The middle stays where it was, whatever the rounding of the step.
        middle = (low + high) / 2 - scale.astype(np.float64) * steps / 2
        offset = np.where(flat, low, middle).astype(np.float32)
        return _coded(weights, scale, offset, bits, group_size)
    if zero_point == "symmetric":
        largest = np.maximum(abs(low), abs(high))
        scale = _stored(np.where(largest > 0, largest / (steps // 2), 1), scales)
        zero = np.full_like(scale, steps // 2 + 1)
        return _coded(weights, scale, -zero * scale, bits, group_size)
    return _integer(weights, low, high, bits, group_size, scales)


def _stored(scale: np.ndarray, scales: Scales) -> np.ndarray:
    """Steps in float32, of the precision that files keep, none too small for them."""
    scale = np.maximum(scale, _SMALLEST).astype(np.float32)
    if scales == "float32":
        return scale
    # Round to the nearest of the upper 16 bits, to even if two are as near.
    raw = scale.view(np.uint32)
    rounded = raw + np.uint32(0x7FFF) + ((raw >> np.uint32(16)) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def _coded(
    weights: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    bits: int,
    group_size: int | None,
) -> Quantized:
    width = weights.shape[1]
    dtype = np.promote_types(weights.dtype, np.float32)
    positions = weights - spread(offset.astype(dtype), width, group_size)
    np.divide(positions, spread(scale, width, group_size), out=positions)
    np.clip(np.rint(positions, out=positions), 0, num_steps(bits), out=positions)
    codes = positions.astype(np.uint8)
    return Quantized(codes, scale, offset.astype(np.float32), bits, group_size)


def _integer(
    weights: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    bits: int,
    group_size: int | None,
    scales: Scales,
) -> Quantized:
    steps = num_steps(bits)
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    step = np.where(high > low, (high - low) / steps, 1)
    candidates = [
        _with_zero(weights, step, np.clip(zero, 0, steps), bits, group_size, scales)
        for zero in (np.floor(-low / step), np.ceil(-low / step))
    ]
    return better(weights, candidates[0], candidates[1])


def _with_zero(
    weights: np.ndarray,
    step: np.ndarray,
    zero: np.ndarray,
    bits: int,
    group_size: int | None,
    scales: Scales,
) -> Quantized:
    """Codes for whole zero points, before and after the step is fitted to weights."""
    scale = _stored(step, scales)
    first = _coded(weights, scale, -zero.astype(np.float32) * scale, bits, group_size)
    # The step of least squares for these codes.
    levels = first.codes - spread(zero, weights.shape[1], group_size)
    above = group_sums(weights * levels, group_size)
    below = group_sums(levels * levels, group_size)
    fitted = np.where(above > 0, above / np.where(below > 0, below, 1), step)
    scale = _stored(fitted, scales)
    second = _coded(weights, scale, -zero.astype(np.float32) * scale, bits, group_size)
    return better(weights, first, second)


def group_sums(values: np.ndarray, group_size: int | None) -> np.ndarray:
    """Sums over each group, float64 [R, groups], of values [R, n]."""
    parts = split(values, group_size)
    sums = [part.sum(axis=1, dtype=np.float64) for part in parts]
    return join(sums, len(values))


def squared_errors(
    weights: np.ndarray, quantized: Quantized, importance: np.ndarray | None = None
) -> np.ndarray:
    """Squared errors of each group, float64 [R, groups], weighed if wanted."""
    errors = np.square(weights - quantized.dequantize().astype(weights.dtype))
    if importance is not None:
        errors = errors * importance
    return group_sums(errors, quantized.group_size)


def better(
    weights: np.ndarray,
    first: Quantized,
    second: Quantized,
    importance: np.ndarray | None = None,
) -> Quantized:
    """Of two quantizations the better one in each group; the first where they tie."""
    keep = squared_errors(weights, first, importance) <= squared_errors(
        weights, second, importance
    )
    codes = spread(keep, weights.shape[1], first.group_size)
    return Quantized(
        np.where(codes, first.codes, second.codes),
        np.where(keep, first.scale, second.scale),
        np.where(keep, first.offset, second.offset),
        first.bits,
        first.group_size,
    )
