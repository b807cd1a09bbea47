"""How high a voice is: the fundamental frequency by autocorrelation."""

from typing import NamedTuple

import numpy as np

_LOWEST_HZ, _HIGHEST_HZ = 60.0, 500.0
_WINDOW_SECONDS = 0.04
# Of the autocorrelation of a voiced frame, and of the loudest frame's energy.
_VOICED, _QUIET = 0.5, 1e-4


class PitchErrors(NamedTuple):
    """Two voices, compared where their frames belong together."""

    log_rmse: float
    """Root mean square of the difference of natural logarithms, where both are voiced;
    0 where none are."""
    voicing: float
    """Share of pairs of which only one is voiced."""
    correlation: float
    """Of the logarithms, where both are voiced: whether they rise and fall together,
    however high the voices are; NaN where one does neither."""


def fundamental_frequency(samples: np.ndarray, rate: int, hop: int) -> np.ndarray:
    """Hz of each frame around a hop, 0 where there is no voice.

    The first peak of the normalized autocorrelation that is nearly as high as the
    highest, so that no multiple of the period is taken for it.

    Args:
      samples: floating-point [n].
      rate: Hz.
      hop: samples between frames.

    Returns:
      float64 [1 + n // hop].
    """
    half = round(_WINDOW_SECONDS * rate / 2)
    shortest, longest = round(rate / _HIGHEST_HZ), round(rate / _LOWEST_HZ)
    width, lags = 2 * half, np.arange(shortest - 1, longest + 1)
    padded = np.pad(np.asarray(samples, np.float64), (half, half + longest + 1))
    count = 1 + len(samples) // hop
    starts = np.arange(count)[:, None] * hop
    reached = padded[starts + np.arange(width + longest)]
    size = width + longest
    spectra = np.fft.rfft(reached, size)
    spectra *= np.fft.rfft(reached[:, :width], size).conj()
    # No sum of products that is asked for comes round the end.
    products = np.fft.irfft(spectra, size)[:, lags]
    sums = np.pad(np.cumsum(padded**2), (1, 0))
    energies = np.maximum(sums[starts + lags + width] - sums[starts + lags], 0)
    energy = np.sum(reached[:, :width] ** 2, axis=1)
    scale = np.sqrt(energy[:, None] * energies)
    correlation = products / np.maximum(scale, 1e-12)
    middle = correlation[:, 1:-1]
    is_peak = (middle >= correlation[:, :-2]) & (middle > correlation[:, 2:])
    heights = np.where(is_peak, middle, 0)
    best = heights.max(axis=1)
    chosen = np.argmax(heights >= 0.9 * best[:, None], axis=1)
    voiced = (best > _VOICED) & (energy > _QUIET * energy.max(initial=0))
    before, at, after = (
        correlation[np.arange(count), chosen + offset] for offset in range(3)
    )
    bend = before - 2 * at + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.minimum(bend, -1e-12), 0)
    return np.where(voiced, rate / (lags[chosen + 1] + shift), 0.0)


def pitch_errors(
    first: np.ndarray, second: np.ndarray, path: np.ndarray
) -> PitchErrors:
    """Compares two voices along a path, such as `cepstral_distortion` finds.

    Args:
      first: Hz of each frame, 0 where there is no voice.
      second: the same of the other.
      path: int [n, 2], frames that belong together.
    """
    a, b = first[path[:, 0]], second[path[:, 1]]
    both = (a > 0) & (b > 0)
    heights = np.log([a[both], b[both]])
    far = heights[0] - heights[1]
    rmse = float(np.sqrt(np.mean(far**2))) if len(far) else 0.0
    one, other = heights - heights.mean(axis=1, keepdims=True) if len(far) else heights
    spread = np.sqrt(np.sum(one**2) * np.sum(other**2))
    together = float(np.sum(one * other) / spread) if spread > 1e-12 else np.nan
    return PitchErrors(rmse, float(np.mean((a > 0) != (b > 0))), together)
