"""Ranges by the order of the weights, and by trying shrunken ones."""

from typing import Literal

import numpy as np

from tfmodels.quantization.groups import blocks
from tfmodels.quantization.groups import num_steps

Bounds = tuple[np.ndarray, np.ndarray]

# As GPTQ searches: shares of the full range from 1 down to 0.2, and |error|^2.4.
_SHARES = 1 - np.arange(80) / 100
_NORM = 2.4
# Two bounds at a time: as coarse as that costs a hundred times less.
_SEPARATE = np.linspace(1, 0.1, 19)
_PERCENTILE = 99.9
_BLOCK = 2**17


def minmax(
    groups: np.ndarray, bits: int, importance: np.ndarray | None = None
) -> Bounds:
    """Clips nothing: the smallest and the largest weight of each group, [G] each."""
    return groups.min(axis=1), groups.max(axis=1)


def symmetric_minmax(
    groups: np.ndarray, bits: int, importance: np.ndarray | None = None
) -> Bounds:
    """Clips nothing, the bounds at the same distance from 0, [G] each."""
    largest = abs(groups).max(axis=1)
    return -largest, largest


def percentile(
    groups: np.ndarray, bits: int, importance: np.ndarray | None = None
) -> Bounds:
    """Clips a thousandth of each group at either end, [G] each."""
    bounds = np.percentile(groups, [100 - _PERCENTILE, _PERCENTILE], axis=1)
    low, high = bounds.astype(groups.dtype)
    return low, high


def grid(
    groups: np.ndarray,
    bits: int,
    importance: np.ndarray | None = None,
    ends: Literal["joint", "separate", "symmetric"] = "joint",
) -> Bounds:
    """Tries shrunken ranges and takes the one of the least true error.

    Args:
      groups: float [G, n].
      bits: of a code.
      importance: not negative, of the same shape: how much each weight's error counts.
      ends: ``joint`` multiplies both bounds by the same share, as GPTQ does, and counts
        errors to the power 2.4; ``separate`` moves each bound towards the mean by a
        share of its own; ``symmetric`` multiplies the largest magnitude, on a grid that
        has a level at 0. Both count squares.

    Returns:
      Lower and upper bounds, [G] each.
    """
    low, high = np.empty(len(groups)), np.empty(len(groups))
    for part in blocks(groups, _BLOCK):
        m = 1 if importance is None else importance[part]
        low[part], high[part] = _search(groups[part], bits, m, ends)
    return low.astype(groups.dtype), high.astype(groups.dtype)


def _search(groups: np.ndarray, bits: int, m: np.ndarray | int, ends: str) -> Bounds:
    first, last = groups.min(axis=1), groups.max(axis=1)
    largest = np.maximum(abs(first), abs(last))
    center = groups.mean(axis=1)
    best = [np.full(len(groups), np.inf), first, last]
    if ends == "separate":
        trials = [
            (center + (first - center) * down, center + (last - center) * up)
            for down in _SEPARATE
            for up in _SEPARATE
        ]
    elif ends == "symmetric":
        trials = [(-largest * share, largest * share) for share in _SHARES]
    else:
        trials = [(first * share, last * share) for share in _SHARES]
    for low, high in trials:
        if ends == "symmetric":
            errors = _error_around_zero(groups, high, bits)
        else:
            errors = _error(groups, low, high, num_steps(bits))
        power = _NORM if ends == "joint" else 2
        noise = (np.power(errors, power) * m).sum(axis=1)
        keep = noise < best[0]
        best = [
            np.where(keep, new, old)
            for new, old in zip((noise, low, high), best, strict=True)
        ]
    return best[1], best[2]


def _error(
    groups: np.ndarray, low: np.ndarray, high: np.ndarray, steps: int
) -> np.ndarray:
    """Absolute errors [G, n] on a grid from bound to bound."""
    scale = np.where(high > low, (high - low) / steps, 1)[:, None]
    codes = np.clip(np.rint((groups - low[:, None]) / scale), 0, steps)
    return abs(codes * scale + low[:, None] - groups)


def _error_around_zero(groups: np.ndarray, c: np.ndarray, bits: int) -> np.ndarray:
    """Absolute errors [G, n] on the signed grid of step c / (2^(bits-1) - 1)."""
    levels = 2 ** (bits - 1)
    scale = np.where(c > 0, c / (levels - 1), 1)[:, None]
    codes = np.clip(np.rint(groups / scale), -levels, levels - 1)
    return abs(codes * scale - groups)
