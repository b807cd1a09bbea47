"""The semantics of RMSProp that Keras does not have.

They matter where epsilon is large: with the epsilon of 1 that Inception-v4 was trained
with (arXiv 1602.07261, section 4), first steps differ by up to a third.
"""

from typing import Any

import keras


class RMSpropTF1(keras.optimizers.RMSprop):
    """RMSProp as in TensorFlow 1: the mean of squares starts at 1 instead of 0.

    ``ms = rho * ms + (1 - rho) * g ** 2``, ``mom = momentum * mom + rate * g / sqrt(ms
    + epsilon)``, ``w = w - mom``, with ``ms = 1`` and ``mom = 0`` at the start.
    """

    def add_optimizer_variables(
        self, trainable_variables: list[Any], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Creates one variable per model variable; those called velocity are ones."""
        if name == "velocity":
            initializer = "ones"
        return super().add_optimizer_variables(trainable_variables, name, initializer)


class RMSpropTorch(keras.optimizers.RMSprop):
    """RMSProp as in PyTorch: epsilon outside the root, momentum before the rate.

    ``ms = rho * ms + (1 - rho) * g ** 2``, ``mom = momentum * mom + g / (sqrt(ms) +
    epsilon)``, ``w = w - rate * mom``, with ``ms = mom = 0`` at the start.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable in place."""
        ops = keras.ops
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        velocity = self._velocities[index]
        self.assign(
            velocity,
            self.rho * velocity + (1 - self.rho) * ops.square(gradient),
        )
        step = gradient / (ops.sqrt(velocity) + self.epsilon)
        if self.momentum > 0:
            momentum = self._momentums[index]
            self.assign(momentum, self.momentum * momentum + step)
            step = momentum
        self.assign_sub(variable, rate * step)
