"""Mel-cepstral distortion: how far two spectra of the same text are apart."""

from typing import NamedTuple

import numpy as np

NUM_CEPSTRA = 13
_TO_DECIBEL = 10 / np.log(10)


class Distortion(NamedTuple):
    """Two utterances, compared."""

    decibel: float
    """Mean over the path."""
    path: np.ndarray
    """int64 [n, 2], frames of the first and of the second that belong together."""


def cepstra(log_mel: np.ndarray, count: int = NUM_CEPSTRA) -> np.ndarray:
    """Cepstral coefficients 1 to `count`: what loudness does not change.

    Args:
      log_mel: floating-point [T, M], natural logarithms of magnitudes.
      count: how many.

    Returns:
      float64 [T, count].
    """
    bins = log_mel.shape[-1]
    order, place = np.arange(1, count + 1), np.arange(bins)[:, None] + 0.5
    basis: np.ndarray = 2 / bins * np.cos(np.pi * order * place / bins)
    return np.asarray(log_mel, np.float64) @ basis


def cepstral_distortion(first: np.ndarray, second: np.ndarray) -> Distortion:
    """Distortion along the path of least sum, by dynamic time warping.

    Steps go on in one of the two or in both. Kubichek (1993); 0.9 dB are two renderings
    of a text by eSpeak NG, 9 and more the wrong text.

    Args:
      first: floating-point [T, M], natural logarithms of magnitudes of mel bands.
      second: floating-point [U, M].
    """
    a, b = cepstra(first), cepstra(second)
    squares = np.sum(a**2, 1)[:, None] + np.sum(b**2, 1) - 2 * a @ b.T
    cost = _TO_DECIBEL * np.sqrt(2 * np.maximum(squares, 0))
    path = _path(_totals(cost))
    return Distortion(float(cost[path[:, 0], path[:, 1]].mean()), path)


def _totals(cost: np.ndarray) -> np.ndarray:
    """Least sum of a path to each pair of frames, with a border, [T + 1, U + 1]."""
    rows, columns = cost.shape
    total = np.full([rows + 1, columns + 1], np.inf)
    total[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.minimum(total[i - 1, j - 1], total[i - 1, j])
        total[i, j] = cost[i - 1, j - 1] + np.minimum(before, total[i, j - 1])
    return total


def _path(total: np.ndarray) -> np.ndarray:
    i, j = total.shape[0] - 1, total.shape[1] - 1
    path = []
    while i and j:
        path.append((i - 1, j - 1))
        steps = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        i, j = min(steps, key=lambda step: total[step])
    return np.array(path[::-1], np.int64)
