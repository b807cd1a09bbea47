"""Published grids for weights, made again in NumPy from their authors' programs."""

import numpy as np

_SHARES = 1 - np.arange(80) / 100
_NORM = 2.4
# HQQ: |error|^0.7, the weight of the other term, and at most so many rounds.
_POWER, _BETA, _ROUNDS = 0.7, 10.0, 20


def minmax_grid(groups: np.ndarray, bits: int) -> np.ndarray:
    """The usual asymmetric grid: the full range, 0 on the nearest level.

    Args:
      groups: float64 [G, n].
      bits: of a code.

    Returns:
      What the codes stand for, float64 [G, n].
    """
    return _rounded(groups, bits, 1.0)


def gptq_grid(groups: np.ndarray, bits: int) -> np.ndarray:
    """GPTQ's ``quant.py`` with ``mse=True``, asymmetric: shares of the full range.

    Arguments and the result are those of `minmax_grid`.
    """
    best, found = np.full((len(groups), 1), np.inf), groups
    for share in _SHARES:
        made = _rounded(groups, bits, share)
        error = (abs(made - groups) ** _NORM).sum(axis=1, keepdims=True)
        found = np.where(error < best, made, found)
        best = np.minimum(error, best)
    return found


def _rounded(groups: np.ndarray, bits: int, share: float) -> np.ndarray:
    """On a grid over a share of the range, which holds 0; its zero point is whole."""
    steps = 2**bits - 1
    low = np.minimum(groups.min(axis=1, keepdims=True), 0)
    high = np.maximum(groups.max(axis=1, keepdims=True), 0)
    scale = np.maximum((high - low) * share / steps, 1e-12)
    zero = np.rint(-low * share / scale)
    codes = np.clip(np.rint(groups / scale) + zero, 0, steps)
    return scale * (codes - zero)


def hqq(groups: np.ndarray, bits: int) -> np.ndarray:
    """HQQ's ``optimize_weights_proximal_legacy``: the scale of the full range stays,
    the zero point moves.

    Arguments and the result are those of `minmax_grid`.
    """
    steps = 2**bits - 1
    low = groups.min(axis=1, keepdims=True)
    width = groups.max(axis=1, keepdims=True) - low
    scale = np.where(width <= 1e-4, 1, steps / np.where(width > 0, width, 1))
    scale = np.minimum(scale, 2e4)
    zero = -low * scale
    best = np.inf
    for _ in range(_ROUNDS):
        codes = np.clip(np.rint(groups * scale + zero), 0, steps)
        made = (codes - zero) / scale
        error = groups - made
        size = np.maximum(abs(error), 1e-30)
        shrunk = np.maximum(size - size ** (_POWER - 1) / _BETA, 0) * np.sign(error)
        zero = (codes - (groups - shrunk) * scale).mean(axis=1, keepdims=True)
        if abs(error).mean() >= best:
            break
        best = abs(error).mean()
    codes = np.clip(np.rint(groups * scale + zero), 0, steps)
    return (codes - zero) / scale
