"""How outputs of a recurrent layer come back to it, with gradients made by hand."""

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf


class Feedback(Protocol):
    """What a layer's outputs before a step, of width H, add to its weighted sums.

    It is linear in them, and made of tensors that gradients are asked for.
    """

    def sums(self, outputs: tf.Tensor) -> tf.Tensor:
        """From outputs, floating-point [b, H], to sums, [b, N]."""

    def transposed(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """From gradients of a step's sums, [b, N], to those of outputs, [b, H]."""

    def gradients(self, outputs: tf.Tensor, d_sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Of the tensors it is made of, from all steps, [T, b, H] and [T, b, N]."""


MakeFeedback = Callable[..., Feedback]
"""Takes the tensors that it is made of."""


class Product:
    """The product with a matrix.

    Args:
      recurrent: floating-point [H, N].
    """

    def __init__(self, recurrent: tf.Tensor) -> None:
        self._recurrent = recurrent

    def sums(self, outputs: tf.Tensor) -> tf.Tensor:
        """See `Feedback`."""
        return tf.matmul(outputs, self._recurrent)

    def transposed(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """See `Feedback`."""
        back = tf.transpose(self._recurrent)
        return lambda d_sums: tf.matmul(d_sums, back)

    def gradients(self, outputs: tf.Tensor, d_sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """See `Feedback`."""
        return (outer(outputs, d_sums),)


class LinearFeedback:
    """Any function that is linear in the outputs.

    Args:
      function: of outputs [..., b, H] and the tensors; its result is [..., b, 4 H].
      *tensors: what it is made of.
    """

    def __init__(self, function: Callable[..., tf.Tensor], *tensors: tf.Tensor) -> None:
        self._function = function
        self._tensors = tensors

    def sums(self, outputs: tf.Tensor) -> tf.Tensor:
        """See `Feedback`."""
        return self._function(outputs, *self._tensors)

    def transposed(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """See `Feedback`."""

        def back(d_sums: tf.Tensor) -> tf.Tensor:
            # Where it is taken does not matter: the function is linear.
            outputs = tf.zeros_like(d_sums[:, : d_sums.shape[-1] // 4])
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(outputs)
                made = self.sums(outputs)
            return tape.gradient(made, outputs, d_sums)

        return back

    def gradients(self, outputs: tf.Tensor, d_sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """See `Feedback`."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._tensors)
            made = self.sums(outputs)
        return tuple(tape.gradient(made, self._tensors, d_sums))


def outer(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Sum of the outer products of all rows of [..., M] and [..., N]: [M, N]."""
    x = tf.reshape(x, [-1, x.shape[-1]])
    return tf.matmul(x, tf.reshape(y, [-1, y.shape[-1]]), transpose_a=True)
