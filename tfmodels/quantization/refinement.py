"""Ranges of least true error: codes and grid fitted to one another in turns."""

import numpy as np

from tfmodels.quantization.groups import blocks
from tfmodels.quantization.groups import num_steps
from tfmodels.quantization.newton import newton

Bounds = tuple[np.ndarray, np.ndarray]

_ROUNDS = 30
_BLOCK = 2**17
_OF_MINMAX = (1.0, 0.9, 0.8, 0.7)
_OF_NEWTON = (0.85, 1.15)


def als(groups: np.ndarray, bits: int, importance: np.ndarray | None = None) -> Bounds:
    """Alternating least squares from the range that `newton` gives.

    Given codes, the best grid is the regression of the weights on them; given a grid,
    the best codes are the nearest levels. Neither can raise the squared error.

    Args:
      groups: float [G, n].
      bits: of a code.
      importance: not negative, of the same shape: how much each weight's error counts.

    Returns:
      Lower and upper bounds, [G] each: the ends of the grid.
    """
    low, high = newton(groups, bits, importance)
    for part in blocks(groups, _BLOCK):
        m = None if importance is None else importance[part]
        low[part], high[part], _ = _refine(groups[part], low[part], high[part], bits, m)
    return low, high


def als_multistart(
    groups: np.ndarray, bits: int, importance: np.ndarray | None = None
) -> Bounds:
    """The best of `als` from several starts: shares of the optimal and full ranges.

    Never worse than the full range, which is among them. For arguments see `als`.
    """
    low, high = newton(groups, bits, importance)
    for part in blocks(groups, _BLOCK):
        x = groups[part]
        m = None if importance is None else importance[part]
        first, last = x.min(axis=1), x.max(axis=1)
        starts = [(low[part], high[part])]
        starts += [_scaled(low[part], high[part], share) for share in _OF_NEWTON]
        starts += [_scaled(first, last, share) for share in _OF_MINMAX]
        best: list[np.ndarray] | None = None
        for start in starts:
            found = _refine(x, *start, bits, m)
            if best is None:
                best = list(found)
                continue
            keep = found[2] < best[2]
            best = [
                np.where(keep, new, old) for new, old in zip(found, best, strict=True)
            ]
        if best is not None:
            low[part], high[part] = best[:2]
    return low, high


def _scaled(low: np.ndarray, high: np.ndarray, share: float) -> Bounds:
    middle, half = (low + high) / 2, (high - low) / 2 * share
    return middle - half, middle + half


def _refine(
    groups: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    bits: int,
    importance: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bounds from a start, and their squared errors, [G] each."""
    steps = num_steps(bits)
    x = groups.astype(np.float64)
    m = np.ones_like(x) if importance is None else importance.astype(np.float64)
    m = np.where(m.sum(axis=1, keepdims=True) > 0, m, 1)
    m = m / m.sum(axis=1, keepdims=True)
    mean = (m * x).sum(axis=1)
    offset = low.astype(np.float64)
    scale = np.where(high > low, (high.astype(np.float64) - offset) / steps, 0)
    noise = np.full(len(x), np.inf)
    bounds = offset, scale
    for _ in range(_ROUNDS):
        divisor = np.where(scale > 0, scale, 1)[:, None]
        codes = np.clip(np.rint((x - offset[:, None]) / divisor), 0, steps)
        errors = offset[:, None] + scale[:, None] * codes - x
        new = (m * errors * errors).sum(axis=1)
        keep = (new < noise) & (scale >= 0)
        if not keep.any():
            break
        noise = np.where(keep, new, noise)
        bounds = np.where(keep, offset, bounds[0]), np.where(keep, scale, bounds[1])
        center = (m * codes).sum(axis=1)
        deviation = codes - center[:, None]
        variance = (m * deviation * deviation).sum(axis=1)
        slope = (m * deviation * x).sum(axis=1) / np.where(variance > 0, variance, 1)
        # A slope that is not positive is no grid: stay where the range was.
        fitted = slope > 0
        scale = np.where(fitted, slope, bounds[1])
        offset = np.where(fitted, mean - slope * center, bounds[0])
    low, scale = bounds
    high = low + steps * scale
    return low.astype(groups.dtype), high.astype(groups.dtype), noise
