"""The LSTM cell of GNMT in integers, and stacks of such layers."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from export.integer.arithmetic import SHARE_BITS
from export.integer.arithmetic import Table
from export.integer.arithmetic import product
from export.integer.arithmetic import saturated
from export.integer.arithmetic import shifted
from export.integer.arithmetic import sigmoid_table
from export.integer.arithmetic import tanh_table
from export.integer.matrix import IntegerMatrix
from tfmodels.errors import DataError


@dataclass(frozen=True, eq=False)
class IntegerLSTM:
    """``c = clip(f c + i i', +-delta)``, ``m = o c``, without biases.

    Wu et al., arXiv 1609.08144, equation 11; US 11113480 B2. Products have 32 bits,
    sums saturate at delta, sigmoid and tanh come from tables.
    """

    weights: IntegerMatrix
    """[4 H, D + H], of inputs and then of the outputs before; its rows are those of the
    candidate i' and of the gates i, f and o."""
    delta: float
    """Bound of inputs, cells and outputs, at least 1."""
    sigmoid: Table
    tanh: Table

    @classmethod
    def of(cls, kernel: np.ndarray, recurrent: np.ndarray, delta: float = 1.0) -> Self:
        """Rounds the weights of a layer.

        Args:
          kernel: floating-point [D, 4 H].
          recurrent: floating-point [H, 4 H].
          delta: bound of inputs, cells and outputs.

        Raises:
          DataError: weights are not finite, or the bound is below 1.
        """
        if delta < 1:
            raise DataError(
                "states are bounded too narrowly for the integer engine. Expected a"
                f" bound (delta) of at least 1, which training ends with; received"
                f" {delta}."
            )
        rows = np.concatenate([kernel, recurrent]).T
        return cls(IntegerMatrix.of(rows), delta, sigmoid_table(), tanh_table())

    @property
    def width(self) -> int:
        """H, cells of the layer."""
        return self.weights.values.shape[0] // 4

    def step(
        self, sums: np.ndarray, outputs: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """One step.

        Args:
          sums: int32 [n, 4 H], inputs that `weights` have accumulated.
          outputs: int16 [n, H], m before.
          cells: int16 [n, H], c before.

        Returns:
          The new outputs and cells, int16 [n, H].
        """
        first = self.weights.values.shape[1] - self.width
        sums = sums + self.weights.accumulate(outputs, first)
        z = self.weights.arguments(sums, self.delta)
        candidate = self.tanh(z[:, : self.width])
        enter, forget, leave = np.split(self.sigmoid(z[:, self.width :]), 3, axis=1)
        # Shares of 1 become shares of delta.
        new = product(candidate, enter) * round(2**SHARE_BITS / self.delta)
        new_cells = saturated(product(cells, forget) + shifted(new, SHARE_BITS))
        return saturated(product(new_cells, leave)), new_cells

    def sequence(
        self,
        inputs: np.ndarray,
        mask: np.ndarray,
        first: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """A whole sequence.

        Args:
          inputs: int16 [T, n, D].
          mask: bool [T, n]; where it is false nothing changes.
          first: outputs and cells before, int16 [n, H]; zeros when None.

        Returns:
          Outputs, int16 [T, n, H]; outputs and cells after the sequence.
        """
        zeros = np.zeros([inputs.shape[1], self.width], np.int16)
        outputs, cells = first or (zeros, zeros)
        made = np.zeros([*inputs.shape[:2], self.width], np.int16)
        for place, sums in enumerate(self.weights.accumulate(inputs)):
            real = mask[place][:, None]
            new, new_cells = self.step(sums, outputs, cells)
            outputs = np.where(real, new, outputs)
            cells = np.where(real, new_cells, cells)
            made[place] = outputs
        return made, (outputs, cells)


def added(outputs: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """The residual sum of int16 states, which saturates at delta."""
    return saturated(outputs.astype(np.int32) + inputs.astype(np.int32))


def encoded(
    forward: IntegerLSTM,
    backward: IntegerLSTM,
    upper: list[IntegerLSTM],
    inputs: np.ndarray,
    lengths: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What an encoder makes of sequences.

    Both directions side by side, then layers above one another; from the third layer
    on, inputs are added to outputs (the paper's figure 1).

    Args:
      forward: half of the first layer.
      backward: its other half, which reads each sequence from its end.
      upper: the layers above.
      inputs: int16 [T, n, D], embedded tokens.
      lengths: int [n].

    Returns:
      Encodings, int16 [T, n, H], and the layers' last outputs and cells, int16
      [n, L, 2, H]; the lowest layer's are those of its backward half.
    """
    places = np.arange(len(inputs))[:, None]
    mask = places < lengths
    order = np.where(mask, lengths - 1 - places, places)
    rows = np.arange(inputs.shape[1])
    ahead, _ = forward.sequence(inputs, mask)
    back, final = backward.sequence(inputs[order, rows], mask)
    x, finals = np.concatenate([ahead, back[order, rows]], axis=-1), [final]
    for number, layer in enumerate(upper):
        outputs, final = layer.sequence(x, mask)
        x = outputs if number == 0 else added(outputs, x)
        finals.append(final)
    return x, np.array(finals).transpose(2, 0, 1, 3)
