"""Recurrent cells that Keras lacks."""

from typing import Any

import keras
from keras import ops

from tfmodels.layers.matrices import Matrix


@keras.saving.register_keras_serializable("tfmodels")
class ProjectedLSTMCell(keras.layers.Layer):
    """One step of an LSTM with peepholes and a recurrent projection.

    ``i = sigmoid(W_i x + R_i r + p_i c + b_i)``, ``f`` likewise, ``c' = f c + i tanh(W
    x + R r + b)``, ``o = sigmoid(W_o x + R_o r + p_o c' + b_o)``, ``r' = P (o tanh
    c')`` (Sak et al., arXiv 1402.1128, section 2.1). Weights are in Keras' order: input
    gate, forget gate, candidate, output gate. The forget gate's bias begins at 1.

    Args:
      units: memory cells.
      projection_dim: width of the output r; ``units``, and no P, when None.
      peepholes: whether gates see the cells, through the vectors p.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: float [B, D].
      states: [r float [B, projection_dim], c float [B, units]].
    """

    matrices = {
        "kernel": Matrix(),
        "recurrent_kernel": Matrix(),
        "projection": Matrix(),
    }

    def __init__(
        self,
        units: int,
        projection_dim: int | None = None,
        peepholes: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.projection_dim = projection_dim
        self.peepholes = peepholes

    @property
    def output_size(self) -> int:
        """Width of the output."""
        return self.projection_dim or self.units

    @property
    def state_size(self) -> list[int]:
        """Widths of the output that is fed back, and of the cells."""
        return [self.output_size, self.units]

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], 4 * self.units), name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.output_size, 4 * self.units),
            initializer="orthogonal",
            name="recurrent_kernel",
        )
        self.bias = self.add_weight(
            shape=(4 * self.units,), initializer=self._first_bias, name="bias"
        )
        if self.peepholes:
            self.peephole = self.add_weight(
                shape=(3, self.units), initializer="zeros", name="peephole"
            )
        if self.projection_dim:
            self.projection = self.add_weight(
                shape=(self.units, self.projection_dim), name="projection"
            )

    def _first_bias(self, shape: Any, dtype: Any = None) -> Any:
        """Ones for the forget gate, zeros for the rest."""
        part = (self.units,)
        rest = ops.zeros((2 * self.units,), dtype)
        return ops.concatenate([ops.zeros(part, dtype), ops.ones(part, dtype), rest])

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Returns the output float [B, projection_dim], and the new states."""
        fed_back, cells = states
        sums = ops.matmul(inputs, self.kernel) + self.bias
        sums = sums + ops.matmul(fed_back, self.recurrent_kernel)
        enter, forget, candidate, leave = ops.split(sums, 4, axis=-1)
        if self.peepholes:
            enter = enter + self.peephole[0] * cells
            forget = forget + self.peephole[1] * cells
        kept = ops.sigmoid(forget) * cells
        cells = kept + ops.sigmoid(enter) * ops.tanh(candidate)
        if self.peepholes:
            leave = leave + self.peephole[2] * cells
        output = ops.sigmoid(leave) * ops.tanh(cells)
        if self.projection_dim:
            output = ops.matmul(output, self.projection)
        return output, [output, cells]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "projection_dim": self.projection_dim,
            "peepholes": self.peepholes,
        }
