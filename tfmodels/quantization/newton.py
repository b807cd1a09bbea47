"""The optimal asymmetric range of each group: two-sided Newton iterations.

The noise that is expected of a range [l, u] with N steps, by the high-resolution model:
``J = (u - l)^2 / (12 N^2) + mean(max(w - u, 0)^2) + mean(max(l - w, 0)^2)``, rounding
and clipping. It is convex and piecewise quadratic. With the sets of clipped weights
frozen its minimum solves two linear equations; a step of Newton's method goes there.
"""

import numpy as np

from tfmodels.quantization.groups import blocks
from tfmodels.quantization.groups import num_steps

# Weights that are worked on together; a block and its buffers stay in the cache.
_BLOCK = 2**17
_LIMIT = 60
_HALVINGS = 64
# Fewer groups than this are not worth copying; a byte counts to this.
_FEW = 64
_BYTE = 255
# Sums over more weights than this are made in float64.
_LONG = 4096


def newton(
    groups: np.ndarray, bits: int, importance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Solves every group for the one range of least expected noise.

    Args:
      groups: float32 or float64 [G, n]. Statistics are made in this type, in float64
        where n is above 4096.
      bits: of a code.
      importance: not negative, of the same shape: how much each weight's error counts.

    Returns:
      Lower and upper bounds, [G] each, of the type of `groups`. They lie inside of what
      the group holds, and are equal where all its weights are.
    """
    low = np.empty(len(groups), groups.dtype)
    high = np.empty(len(groups), groups.dtype)
    kappa = 1 / (12 * num_steps(bits) ** 2)
    dtype = np.float64 if groups.shape[1] > _LONG else groups.dtype
    for part in blocks(groups, _BLOCK):
        x = _columns(groups[part], dtype)
        m = None if importance is None else _normalized(importance[part], dtype)
        solved = _Block(x, m, kappa).solve()
        count = len(groups[part])
        low[part], high[part] = solved[0][:count], solved[1][:count]
    return low, high


def _columns(groups: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Groups as columns [n, G], so that sums over a group are sums of rows.

    There are two at least. A single column would be summed pairwise and not in order,
    and a group's range would depend on how many are solved beside it.
    """
    if len(groups) == 1:
        groups = np.concatenate([groups, groups])
    return np.ascontiguousarray(groups.T, dtype)


def _normalized(importance: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    m = _columns(importance, dtype)
    mean = m.mean(axis=0)
    return np.where(mean > 0, m / np.where(mean > 0, mean, 1), 1).astype(dtype)


class _Block:
    """Groups as columns, and the two sums over what a bound clips."""

    def __init__(self, x: np.ndarray, m: np.ndarray | None, kappa: float) -> None:
        self._kappa = x.dtype.type(kappa)
        self._hold(x, m)

    def _hold(self, x: np.ndarray, m: np.ndarray | None) -> None:
        self._x, self._m = x, m
        self._excess = np.empty_like(x)
        self._mask = np.empty(x.shape, bool)

    def _clipped(self, bound: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
        """Share of a group beyond a bound, and how far it is beyond, on average.

        Args:
          bound: [G].
          sign: 1 for the upper bound, -1 for the lower.
        """
        x, excess, mask = self._x, self._excess, self._mask
        if sign > 0:
            np.subtract(x, bound, out=excess)
        else:
            np.subtract(bound, x, out=excess)
        np.maximum(excess, 0, out=excess)
        if self._m is not None:
            np.multiply(excess, self._m, out=excess)
        size = x.dtype.type(len(x))
        mean = np.add.reduce(excess, 0) / size
        np.greater(excess, 0, out=mask)
        if self._m is not None:
            share = np.add.reduce(mask * self._m, 0) / size
        else:
            share = _count(mask).astype(x.dtype) / size
        return share, mean

    def _step(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, ...]:
        """Where the frozen problem has its minimum, and the shares of the frozen sets.

        It is solved for the change of the bounds, so that groups far from 0 lose no
        digits.
        """
        kappa = self._kappa
        above, upper = self._clipped(high, 1)
        below, lower = self._clipped(low, -1)
        width = kappa * (high - low)
        a, b = upper - width, width - lower
        determinant = kappa * (above + below) + above * below
        flat = determinant == 0
        determinant[flat] = 1
        up = ((kappa + below) * a + kappa * b) / determinant
        down = (kappa * a + (kappa + above) * b) / determinant
        # Nothing is clipped: the minimum is further inside, at an unknown place.
        quarter = (high - low) / 4
        up = np.where(flat, -quarter, up)
        down = np.where(flat, quarter, down)
        return low + down, high + up, above, below

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of all groups, [G] each."""
        x = self._x
        smallest, largest = x.min(axis=0), x.max(axis=0)
        weighted = x if self._m is None else x * self._m
        start = np.clip(weighted.mean(axis=0), smallest, largest)
        bounds = np.stack([start, start])
        shares = np.full_like(bounds, -1)
        tolerance = 2 * np.finfo(x.dtype).eps * (largest - smallest)
        result = bounds.copy()
        where = np.arange(x.shape[1])
        for _ in range(_LIMIT):
            low, high, above, below = self._step(bounds[0], bounds[1])
            new = np.stack([low, high])
            # From the same sets a step leads to the same place.
            settled = (above == shares[0]) & (below == shares[1]) & (above + below > 0)
            settled |= (abs(new - bounds) <= tolerance[where]).all(axis=0)
            bounds, shares = new, np.stack([above, below])
            result[:, where] = bounds
            left = np.flatnonzero(~settled)
            if not left.size:
                break
            # To copy a group costs less than two steps with it.
            if 2 * len(left) < len(where) and len(where) > _FEW:
                left = np.resize(left, max(2, len(left)))
                self._keep(left)
                where, bounds, shares = where[left], bounds[:, left], shares[:, left]
        else:
            self._keep(left)
            result[:, where[left]] = self._bisect()
        return (
            np.clip(result[0], smallest, largest),
            np.clip(result[1], smallest, largest),
        )

    def _keep(self, columns: np.ndarray) -> None:
        """Forgets all groups but some."""
        m = None if self._m is None else self._m.take(columns, axis=1)
        self._hold(self._x.take(columns, axis=1), m)

    def _bisect(self) -> np.ndarray:
        """Bounds [2, G] without steps: the sign of the noise's slope, asked often.

        For each upper bound there is one best lower bound; the noise with that one is
        convex in the upper bound.
        """
        smallest, largest = self._x.min(axis=0), self._x.max(axis=0)
        first, last = smallest, largest
        for _ in range(_HALVINGS):
            high = (first + last) / 2
            low = self._best_low(high, smallest)
            rising = self._kappa * (high - low) > self._clipped(high, 1)[1]
            first, last = np.where(rising, first, high), np.where(rising, high, last)
        return np.stack([self._best_low(last, smallest), last])

    def _best_low(self, high: np.ndarray, smallest: np.ndarray) -> np.ndarray:
        first, last = smallest, high
        for _ in range(_HALVINGS):
            low = (first + last) / 2
            rising = self._clipped(low, -1)[1] > self._kappa * (high - low)
            first, last = np.where(rising, first, low), np.where(rising, low, last)
        return last


def _count(mask: np.ndarray) -> np.ndarray:
    """Rows of each column that are set, int64 [G], by sums of bytes."""
    ones = mask.view(np.uint8)
    total = np.zeros(mask.shape[1], np.int64)
    for start in range(0, len(ones), _BYTE):
        total += np.add.reduce(ones[start : start + _BYTE], 0, dtype=np.uint8)
    return total
