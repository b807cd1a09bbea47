"""Numbers of the integer engine: saturation, rescaling, and functions from tables.

Wu et al., arXiv 1609.08144, section 6, gives the widths; the fixed points are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

UNIT = 32767
"""Accumulators and activations are int16: this stands for the bound delta."""

Z_BITS = 11
"""Bits after the point of what goes into sigmoid and tanh: from -16 to 16."""

SHARE_BITS = 15
"""Bits after the point of what comes out of them."""

_RESCALE_BITS = 32
_LARGEST_BYTE = 127
# Parts of a table are straight lines, each of so many steps of its argument.
_PART_BITS = 6


def saturated(values: np.ndarray) -> np.ndarray:
    """The nearest int16 within +-`UNIT`."""
    return np.clip(values, -UNIT, UNIT).astype(np.int16)


def shifted(values: np.ndarray, bits: int) -> np.ndarray:
    """Integers divided by ``2 ** bits``, rounded; halves go up."""
    result: np.ndarray = (values + (1 << (bits - 1))) >> bits
    return result


def multiplier(factors: np.ndarray) -> np.ndarray:
    """Positive factors as int64, for `rescaled`."""
    return np.rint(np.asarray(factors, np.float64) * 2.0**_RESCALE_BITS).astype(
        np.int64
    )


def rescaled(values: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
    """Integers times factors of `multiplier`, rounded, int64; halves go up."""
    return shifted(values.astype(np.int64) * multipliers, _RESCALE_BITS)


def product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """int16 times shares, which are int16 with `SHARE_BITS`; int32, rounded."""
    return shifted(one.astype(np.int32) * other.astype(np.int32), SHARE_BITS)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """int16 states as int8, so that 127 stands for delta; there are no ties."""
    doubled = 2 * _LARGEST_BYTE * values.astype(np.int32) + UNIT
    return (doubled // (2 * UNIT)).astype(np.int8)


def to_int16(reals: np.ndarray, delta: float) -> np.ndarray:
    """The nearest int16 states of real ones, which are bounded by delta."""
    return saturated(np.rint(np.asarray(reals, np.float64) * (UNIT / delta)))


def to_real(values: np.ndarray, delta: float) -> np.ndarray:
    """float32, what int16 states stand for."""
    return values.astype(np.float32) * np.float32(delta / UNIT)


@dataclass(frozen=True, eq=False)
class Table:
    """A function of int16 with `Z_BITS`, to int16 with `SHARE_BITS`."""

    knots: np.ndarray
    """int16 [1025], its values at equal distances, from -16 to 16."""

    @classmethod
    def of(cls, function: Callable[[np.ndarray], np.ndarray]) -> "Table":
        """Made of a function of reals that stays within +-1."""
        places = np.arange(-(1 << 15), (1 << 15) + 1, 1 << _PART_BITS) / 2.0**Z_BITS
        return cls(saturated(np.rint(function(places) * 2.0**SHARE_BITS)))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """int16 of int16, on a straight line between the two nearest knots."""
        above = values.astype(np.int32) + (1 << 15)
        part, rest = above >> _PART_BITS, above & ((1 << _PART_BITS) - 1)
        low = self.knots[part].astype(np.int32)
        high = self.knots[part + 1].astype(np.int32)
        return (low + shifted((high - low) * rest, _PART_BITS)).astype(np.int16)


def sigmoid_table() -> Table:
    """Of ``1 / (1 + exp(-z))``."""
    return Table.of(lambda z: 1 / (1 + np.exp(-z)))


def tanh_table() -> Table:
    """Of ``tanh(z)``."""
    return Table.of(np.tanh)
