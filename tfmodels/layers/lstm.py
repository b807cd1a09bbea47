"""LSTMs over whole sequences, with a gradient made by hand, and one step at a time."""

from typing import Any
from typing import Literal
from typing import NamedTuple

import keras
import tensorflow as tf

from tfmodels.layers.arrays import new_arrays
from tfmodels.layers.arrays import select_rows
from tfmodels.layers.arrays import shifted
from tfmodels.layers.arrays import stack
from tfmodels.layers.arrays import write
from tfmodels.layers.feedback import MakeFeedback
from tfmodels.layers.feedback import Product
from tfmodels.layers.matrices import Matrix

Cell = Literal["gnmt", "standard"]


class Sequence(NamedTuple):
    """What an LSTM made of a sequence."""

    outputs: tf.Tensor
    """floating-point [T, b, H]; in padding the last output before it."""
    cells: tf.Tensor
    """floating-point [T, b, H]; no gradient passes."""
    last_cells: tf.Tensor
    """floating-point [b, H], the last of `cells`, with a gradient."""


def gated(sums: tf.Tensor, cells: tf.Tensor, limit: Any, cell: Cell) -> Any:
    """One step of an LSTM from the weighted sums of what it sees.

    ``c' = clip(f c + i i', -limit, limit)`` and ``m = o c'`` for the cell `gnmt` (Wu et
    al., arXiv 1609.08144, eq 11), ``m = o tanh(c')`` for `standard`.

    Args:
      sums: floating-point [b, 4 H], of candidate i', gates i, f, o in this order.
      cells: floating-point [b, H].
      limit: number or float32 [], largest magnitude of a cell, or None.
      cell: which of the two.

    Returns:
      Outputs and cells, [b, H], and what the candidate and the gates were, four of
      [b, H].
    """
    candidate, *gates = tf.split(sums, 4, axis=-1)
    acts = (tf.tanh(candidate), *map(tf.sigmoid, gates))
    candidate, enter, forget, leave = acts
    cells = clip(forget * cells + enter * candidate, limit)
    shown = cells if cell == "gnmt" else tf.tanh(cells)
    return leave * shown, cells, acts


def clip(x: tf.Tensor, limit: Any) -> tf.Tensor:
    """`x` between -limit and limit, outside of which there is no gradient."""
    if limit is None:
        return x
    limit = tf.cast(limit, x.dtype)

    @tf.custom_gradient  # TensorFlow's goes over everything several times
    def run(x: tf.Tensor) -> Any:
        inside = tf.abs(x) <= limit
        return tf.clip_by_value(x, -limit, limit), lambda d: tf.where(inside, d, 0)

    return run(x)


class Backward:
    """What the gradient of `gated` needs, for all steps of a sequence at once.

    Args:
      acts: four of floating-point [T, b, H]; see `gated`.
      before: floating-point [T, b, H], cells before each step.
      cells: floating-point [T, b, H], cells after it.
      mask: floating-point [T, b, 1], 0 where a step is padding and changes nothing.
      limit: see `gated`.
      cell: see `gated`.
    """

    def __init__(
        self,
        acts: Any,
        before: tf.Tensor,
        cells: tf.Tensor,
        mask: tf.Tensor,
        limit: Any,
        cell: Cell,
    ) -> None:
        candidate, enter, forget, leave = acts
        passed = mask
        if limit is not None:
            sums = tf.abs(forget * before + enter * candidate)
            passed *= tf.cast(sums <= tf.cast(limit, sums.dtype), sums.dtype)
        shown = cells if cell == "gnmt" else tf.tanh(cells)
        slope = leave if cell == "gnmt" else leave * (1 - shown * shown)
        self.skipped = 1 - mask
        self._from_output = slope * mask
        self._to_leave = shown * leave * (1 - leave) * mask
        self._kept = forget * passed + self.skipped
        self._from_cells = (
            enter * (1 - candidate * candidate) * passed,
            candidate * enter * (1 - enter) * passed,
            before * forget * (1 - forget) * passed,
        )

    def step(
        self, t: tf.Tensor, d_outputs: tf.Tensor, d_cells: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """From gradients after step `t`, [b, H], those of its sums, [b, 4 H], and of
        the cells before it, [b, H]."""
        d_cells = d_cells + d_outputs * self._from_output[t]
        d_gates = [slopes[t] * d_cells for slopes in self._from_cells]
        d_sums = tf.concat([*d_gates, d_outputs * self._to_leave[t]], -1)
        return d_sums, d_cells * self._kept[t]


def lstm_sequence(
    sums: tf.Tensor,
    recurrent: Any,
    mask: tf.Tensor,
    first: tuple[tf.Tensor, tf.Tensor],
    limit: Any,
    cell: Cell,
    feedback: MakeFeedback = Product,
) -> Sequence:
    """Runs an LSTM over a sequence whose inputs have been weighted and summed already.

    The loop backward only multiplies by the recurrent kernel, whose own gradient is one
    product after it.

    Args:
      sums: floating-point [T, b, 4 H], weighted inputs; see `gated`.
      recurrent: floating-point [H, 4 H], or a tuple of what `feedback` is made of.
      mask: floating-point [T, b, 1]; where 0, outputs and cells stay as they are.
      first: outputs and cells before the sequence, floating-point [b, H].
      limit: see `gated`; no gradient passes to it.
      cell: see `gated`.
      feedback: how outputs come back.
    """
    width = sums.shape[-1] // 4
    real = mask[:, :, 0] > 0

    @tf.custom_gradient
    def run(sums: Any, h0: Any, c0: Any, *recurrent: Any) -> Any:
        num_steps, fed = tf.shape(sums)[0], feedback(*recurrent)

        def forward(t: Any, h: Any, c: Any, *kept: tf.TensorArray) -> Any:
            new = sums[t] + fed.sums(h)
            m, cells, acts = gated(new, c, limit, cell)
            h, c = select_rows(real[t], m, h), select_rows(real[t], cells, c)
            return t + 1, h, c, *write(kept, t, (h, c, *acts))

        widths = (width,) * 6
        arrays = new_arrays(sums, widths)
        _, _, last, *kept = tf.while_loop(
            lambda t, *_: t < num_steps, forward, (0, h0, c0, *arrays)
        )
        outputs, cells, *acts = stack(kept, widths)

        def gradient(d_outputs: Any, _: Any, d_last: Any) -> Any:
            before = shifted(cells, c0)
            local = Backward(acts, before, cells, mask, limit, cell)
            back = fed.transposed()

            def step(t: Any, d_h: Any, d_c: Any, d_sums: Any) -> Any:
                d_h = d_h + d_outputs[t]
                d_new, d_c = local.step(t, d_h, d_c)
                d_h = back(d_new) + d_h * local.skipped[t]
                return t - 1, d_h, d_c, d_sums.write(t, d_new)

            (array,) = new_arrays(sums, (4 * width,))
            _, d_h0, d_c0, array = tf.while_loop(
                lambda t, *_: t >= 0,
                step,
                (num_steps - 1, tf.zeros_like(h0), d_last, array),
            )
            (d_sums,) = stack([array], (4 * width,))
            learned = fed.gradients(shifted(outputs, h0), d_sums)
            return d_sums, d_h0, d_c0, *learned

        return (outputs, cells, last), gradient

    made_of = recurrent if isinstance(recurrent, tuple) else (recurrent,)
    return Sequence(*run(sums, *first, *made_of))


def value(variable: Any) -> tf.Tensor:
    """What a Keras variable holds, in the precision of the layer that runs."""
    return tf.convert_to_tensor(keras.ops.convert_to_tensor(variable))


def product(x: tf.Tensor, kernel: Any) -> tf.Tensor:
    """[..., M] times [M, N] as one product of matrices."""
    kernel = value(kernel)
    made = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), kernel)
    return tf.reshape(made, tf.concat([tf.shape(x)[:-1], kernel.shape[1:]], 0))


class LSTM(keras.layers.Layer):
    """Weights of an LSTM; time is the first axis, the order of gates that of `gated`.

    Args:
      units: H.
      cell: see `gated`.
      num_biases: bias vectors; of two the second is redundant (cuDNN has both).
      kernel_initializer: of the input's kernel.
      recurrent_initializer: of the recurrent kernel of each gate.
      forget_bias: where the first bias begins for forget gates.
      **kwargs: see `keras.layers.Layer`.
    """

    matrices = {"kernel": Matrix(), "recurrent_kernel": Matrix()}

    def __init__(
        self,
        units: int,
        cell: Cell = "standard",
        num_biases: int = 1,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        forget_bias: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.cell = cell
        self.num_biases = num_biases
        self.forget_bias = forget_bias
        self._kernel_initializer = keras.initializers.get(kernel_initializer)
        self._recurrent_initializer = keras.initializers.get(recurrent_initializer)

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        width = 4 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width),
            initializer=self._kernel_initializer,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width),
            initializer=self._each_gate,
            name="recurrent_kernel",
        )
        self.bias = self.second_bias = None
        if self.num_biases:
            self.bias = self.add_weight(
                shape=(width,), initializer=self._first_bias, name="bias"
            )
        if self.num_biases > 1:
            self.second_bias = self.add_weight(
                shape=(width,), initializer="zeros", name="second_bias"
            )
        self.built = True

    def _each_gate(self, shape: Any, dtype: Any = None) -> Any:
        """A square matrix for each gate. An initializer always returns the same one."""
        square = (self.units, self.units)
        parts = [self._recurrent_initializer.clone()(square, dtype) for _ in range(4)]
        return keras.ops.concatenate(parts, axis=1)

    def _first_bias(self, shape: Any, dtype: Any = None) -> Any:
        """The forget gate's number, zeros for the rest."""
        first = [0, 0, self.forget_bias, 0]
        return keras.ops.repeat(keras.ops.array(first, dtype), self.units)

    def add_biases(self, sums: tf.Tensor) -> tf.Tensor:
        """Sums with the biases that there are."""
        for bias in (self.bias, self.second_bias):
            if bias is not None:
                sums = sums + value(bias)
        return sums

    def sequence(
        self, inputs: Any, mask: Any, first: Any = None, limit: Any = None
    ) -> Sequence:
        """Runs over a sequence; see `lstm_sequence`.

        Args:
          inputs: floating-point [T, b, D].
          mask: floating-point [T, b, 1].
          first: outputs and cells before the sequence, floating-point [b, H]; zeros if
            None.
          limit: see `gated`.
        """
        sums = self.add_biases(product(inputs, self.kernel))
        if first is None:
            first = (tf.zeros([tf.shape(inputs)[1], self.units], sums.dtype),) * 2
        recurrent = value(self.recurrent_kernel)
        return lstm_sequence(sums, recurrent, mask, first, limit, self.cell)

    def step(self, inputs: Any, outputs: Any, cells: Any, limit: Any = None) -> Any:
        """Outputs and cells, [b, H], after one input, [b, D]; see `gated`."""
        sums = tf.matmul(inputs, value(self.kernel))
        sums += tf.matmul(outputs, value(self.recurrent_kernel))
        return gated(self.add_biases(sums), cells, limit, self.cell)[:2]
