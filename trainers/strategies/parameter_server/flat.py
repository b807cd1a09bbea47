"""Variables of a model as one vector of numbers, and back."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import keras
import tensorflow as tf


class Flat:
    """The order of a model's floating-point variables in one vector, float32 [N].

    All of them are in it, those that a stage does not train too: their gradient is
    zero. So everything that a replica computes with comes from one place. The last ones
    have no gradient: moving statistics, as of batch normalization.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        """Takes the variables of a model."""
        floats = [v for v in variables if keras.backend.is_float_dtype(v.dtype)]
        self.variables = sorted(floats, key=lambda v: not v.trainable)
        """In the order of their vector."""
        self.shapes = [tuple(variable.shape) for variable in self.variables]
        """Of each variable."""
        self._sizes = [tf.TensorShape(shape).num_elements() for shape in self.shapes]
        self.size: int = sum(self._sizes)
        """Numbers in the vector."""
        self.with_gradient: int = sum(
            size
            for size, variable in zip(self._sizes, self.variables, strict=True)
            if variable.trainable
        )
        """How many of them, from the first on, have a gradient."""

    def pack(self, tensors: Sequence[Any]) -> tf.Tensor:
        """Puts one tensor for each variable into a vector, float32 [N]."""
        return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)

    def unpack(self, vector: tf.Tensor) -> list[tf.Tensor]:
        """Cuts a vector, float32 [N], into one tensor for each variable."""
        parts = tf.split(vector, self._sizes)
        return [
            tf.reshape(part, shape)
            for part, shape in zip(parts, self.shapes, strict=True)
        ]

    def moved(self, vector: tf.Tensor, push: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """A vector, float32 [N], after a step: what plain gradient descent leaves.

        Args:
          vector: float32 [N].
          push: float32 [N], gradients and, of statistics, how they changed.
          rate: float32 [], learning rate.
        """
        count = self.with_gradient
        descended = vector[:count] - rate * push[:count]
        return tf.concat([descended, vector[count:] + push[count:]], 0)


def cut(size: int, count: int) -> list[slice]:
    """Cuts a vector into contiguous parts whose sizes differ by at most one."""
    sizes = [size // count + (i < size % count) for i in range(count)]
    ends = list(accumulate(sizes))
    return [slice(end - n, end) for n, end in zip(sizes, ends, strict=True)]
