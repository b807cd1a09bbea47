"""Ranges [-c, c]: the exact optimum, and the published rules OCTAV and ACIQ."""

import functools
import math

import numpy as np

from tfmodels.quantization.groups import num_steps

_LIMIT = 100
_HALVINGS = 200


def exact_symmetric(
    groups: np.ndarray, bits: int, importance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The least expected noise of ranges [-c, c] whose step is c / (2^(bits-1) - 1).

    ``E(c) = c^2 / (12 qmax^2) + mean(max(|w| - c, 0)^2)``. If the k largest magnitudes
    are clipped, its minimum is at ``sum of them / (n / (12 qmax^2) + k)``, and the
    largest of these is the minimum of all.

    Args:
      groups: float [G, n].
      bits: of a code.
      importance: not negative, of the same shape: how much each weight's error counts.

    Returns:
      Lower and upper bounds, [G] each.
    """
    num_steps(bits)
    sizes = abs(groups).astype(np.float64)
    order = np.argsort(-sizes, axis=1)
    sizes = np.take_along_axis(sizes, order, axis=1)
    weights = np.ones_like(sizes)
    if importance is not None:
        weights = np.take_along_axis(importance.astype(np.float64), order, axis=1)
        weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, 1)
    rounding = weights.sum(axis=1, keepdims=True) / (12 * (2 ** (bits - 1) - 1) ** 2)
    places = np.cumsum(weights * sizes, axis=1) / (
        rounding + np.cumsum(weights, axis=1)
    )
    return _around(groups, places.max(axis=1))


def octav(
    groups: np.ndarray, bits: int, importance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The rule of OCTAV (Sakr et al., arXiv 2206.06501, equation 6).

    ``c = E[|w|; |w| > c] / (4^-bits / 3 P(|w| <= c) + P(|w| > c))``, iterated from the
    mean magnitude of what is not 0. Groups without a negative weight are unsigned: the
    first term is a quarter of that and the range [0, c].

    Args:
      groups: float [G, n].
      bits: of a code.
      importance: not negative, of the same shape: how much each weight's error counts.

    Returns:
      Lower and upper bounds, [G] each.
    """
    num_steps(bits)
    sizes = abs(groups).astype(np.float64)
    m = np.ones_like(sizes) if importance is None else importance.astype(np.float64)
    m = np.where(m.sum(axis=1, keepdims=True) > 0, m, 1)
    m = m / m.mean(axis=1, keepdims=True)
    unsigned = (groups >= 0).all(axis=1)
    rounding = np.where(unsigned, 4.0**-bits / 12, 4.0**-bits / 3)
    c = np.zeros(len(groups))
    for _ in range(_LIMIT):
        clipped = m * (sizes > c[:, None])
        share = clipped.mean(axis=1)
        below = rounding * (1 - share) + share
        new = (clipped * sizes).mean(axis=1) / below
        if np.array_equal(new, c):
            break
        c = np.where(new > 0, new, c)
    low, high = _around(groups, c)
    return np.where(unsigned, 0, low).astype(groups.dtype), high


def aciq(
    groups: np.ndarray,
    bits: int,
    importance: np.ndarray | None = None,
    law: str = "gauss",
) -> tuple[np.ndarray, np.ndarray]:
    """The rule of ACIQ (Banner et al., arXiv 1810.05723) around each group's mean.

    Args:
      groups: float [G, n].
      bits: of a code.
      importance: not negative, of the same shape: how much each weight's error counts.
      law: ``gauss``, by the standard deviation, or ``laplace``, by the mean deviation.

    Returns:
      Lower and upper bounds, [G] each.
    """
    num_steps(bits)
    m = np.ones_like(groups) if importance is None else importance
    m = np.where(m.sum(axis=1, keepdims=True) > 0, m, 1).astype(np.float64)
    mean = np.average(groups, axis=1, weights=m)
    deviations = groups - mean[:, None]
    if law == "gauss":
        size = np.sqrt(np.average(deviations**2, axis=1, weights=m))
    else:
        size = np.average(abs(deviations), axis=1, weights=m)
    c = size * aciq_bound(bits, law)
    return (mean - c).astype(groups.dtype), (mean + c).astype(groups.dtype)


@functools.cache
def aciq_bound(bits: int, law: str) -> float:
    """The bound for the density of size 1, where rounding and clipping noise balance.

    The noise is ``c^2 / (3 4^bits) + 2 (integral of (x - c)^2 from c)``; its slope is 0
    at ``c / (3 4^bits) = 2 (integral of (x - c) from c)``.
    """

    def beyond(c: float) -> float:
        if law == "laplace":
            return math.exp(-c)
        density = math.exp(-c * c / 2) / math.sqrt(2 * math.pi)
        return 2 * (density - c * math.erfc(c / math.sqrt(2)) / 2)

    first, last = 0.0, 100.0
    for _ in range(_HALVINGS):
        c = (first + last) / 2
        if c / (3 * 4**bits) < beyond(c):
            first = c
        else:
            last = c
    return last


def _around(groups: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    c = c.astype(groups.dtype)
    return -c, c
