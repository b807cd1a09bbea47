"""The front end as it leaves: its sums stay in floating point, whatever the preset."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.audio.log_mel import LogMel

# TFLite leaves constants alone that have fewer numbers than this.
_QUANTIZED_FROM = 1024


class ExactLogMel(LogMel):
    """`LogMel` with a small product for each group of neighbouring bands.

    Energies differ by many powers of ten, which 8 bits cannot hold: one product of all
    would be turned into integers by the presets with int8 weights. It is also less
    work, since a band hears few frequencies.
    """

    def bands(self, magnitude: Any, triangles: np.ndarray) -> Any:
        """See `LogMel.bands`."""
        parts = []
        for bands in groups(triangles):
            heard = np.flatnonzero(triangles[:, bands].any(axis=1))
            low, high = (heard[0], heard[-1] + 1) if len(heard) else (0, 1)
            part = triangles[low:high, bands]
            parts.append(tf.matmul(magnitude[..., low:high], part))
        return tf.concat(parts, -1)


def groups(triangles: np.ndarray) -> list[slice]:
    """Neighbouring columns that hear few enough frequencies, as many as possible.

    Args:
      triangles: float32 [frequencies, bands].
    """
    found, begin = [], 0
    for end in range(1, triangles.shape[1] + 1):
        heard = np.flatnonzero(triangles[:, begin:end].any(axis=1))
        spread = heard[-1] + 1 - heard[0] if len(heard) else 1
        if spread * (end - begin) >= _QUANTIZED_FROM and end - begin > 1:
            found.append(slice(begin, end - 1))
            begin = end - 1
    return [*found, slice(begin, triangles.shape[1])]
