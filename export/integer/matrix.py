"""Matrices of bytes with a scale for each output, multiplied into 32 bits."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from export.integer.arithmetic import UNIT
from export.integer.arithmetic import Z_BITS
from export.integer.arithmetic import multiplier
from export.integer.arithmetic import rescaled
from export.integer.arithmetic import saturated
from export.integer.arithmetic import to_bytes
from tfmodels.errors import DataError

_LARGEST = 127


@dataclass(frozen=True, eq=False)
class IntegerMatrix:
    """``W[i, j] = values[i, j] scales[i] / 127``, a row for each output.

    Wu et al., arXiv 1609.08144, equation 12.
    """

    values: np.ndarray
    """int8 [outputs, inputs], from -127 to 127."""
    scales: np.ndarray
    """float32 [outputs], the largest magnitude of each row."""

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        """Rounds a matrix; halves go to even numbers.

        Args:
          rows: floating-point [outputs, inputs]; a Keras kernel is its transpose.

        Raises:
          DataError: it is not finite, or sums may not fit in 32 bits.
        """
        most = (2**31 - 1) // _LARGEST**2
        if not np.isfinite(rows).all() or rows.shape[1] > most:
            raise DataError(
                "weights cannot become integers. Expected finite ones, and at most"
                f" {most} for each output; received {rows.shape[1]}, of which the"
                f" largest is {np.abs(rows).max()}. Train the model again."
            )
        scales = np.abs(rows).max(axis=1).astype(np.float32)
        wide = scales.astype(np.float64)[:, None]
        shares = np.divide(rows, wide, out=np.zeros(rows.shape), where=wide > 0)
        return cls(np.rint(_LARGEST * shares).astype(np.int8), scales)

    @cached_property
    def _columns(self) -> np.ndarray:
        """`values` transposed, float64: BLAS multiplies no integers, and sums of them
        are exact below 2 ** 53."""
        return self.values.T.astype(np.float64)

    def accumulate(self, states: np.ndarray, first: int = 0) -> np.ndarray:
        """``sum_j values[i, first + j] a_j``, a being the states in bytes.

        Args:
          states: int16 [..., D].
          first: column of the first of them.

        Returns:
          int32 [..., outputs].
        """
        used = self._columns[first : first + states.shape[-1]]
        sums = to_bytes(states).astype(np.float64) @ used
        return sums.astype(np.int32)

    def arguments(self, sums: np.ndarray, delta: float) -> np.ndarray:
        """What sums of `accumulate` stand for, saturated.

        Args:
          sums: int32 [..., outputs].
          delta: the bound of the states.

        Returns:
          int16 [..., outputs] with `Z_BITS`.
        """
        factors = self._factors(delta) * 2.0**Z_BITS
        limit = 1 << 15
        values = rescaled(sums, multiplier(factors))
        return np.clip(values, -limit, limit - 1).astype(np.int16)

    def reals(self, sums: np.ndarray, delta: float) -> np.ndarray:
        """The same as float32, for logits and whatever else is not bounded."""
        return sums.astype(np.float32) * self._factors(delta).astype(np.float32)

    def _factors(self, delta: float) -> np.ndarray:
        factors: np.ndarray = self.scales.astype(np.float64) * (delta / _LARGEST**2)
        return factors

    def rows(self, ids: np.ndarray, delta: float) -> np.ndarray:
        """Rows as states: embeddings of tokens.

        Args:
          ids: int [...].
          delta: the bound of states.

        Returns:
          int16 [..., inputs].
        """
        factors = self.scales.astype(np.float64) * (UNIT / (_LARGEST * delta))
        multipliers = multiplier(factors)[ids]
        return saturated(rescaled(self.values[ids], multipliers[..., None]))
