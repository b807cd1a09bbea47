"""Averages of a model's weights over training steps, used to evaluate and to export."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from trainers.optimizers.config import AnyAverage
from trainers.optimizers.config import ExponentialAverage
from trainers.optimizers.config import NoAverage

Fraction = Callable[[tf.Tensor], tf.Tensor]
"""Share of the new weights in the average, float32 [], at a step, int64 []."""


class WeightAverage:
    """Running average of variables, ``average += fraction(step) * (value - average)``.

    Each average lies beside its variable: make this object within the scope of the
    strategy that made the variables. Under a mirrored strategy every device averages
    its own copy, which also holds for batch-norm statistics that differ between
    replicas (``synchronized=False``).

    Raises:
      ValueError: two variables have the same path.
    """

    def __init__(self, variables: list[keras.Variable], fraction: Fraction) -> None:
        self.fraction = fraction
        self._strategy = tf.distribute.get_strategy()
        self._pairs = [(v.value, self._beside(v)) for v in variables]
        self.state = {
            variable.path: average
            for variable, (_, average) in zip(variables, self._pairs, strict=True)
        }
        """The averages by path of their variable, for checkpoints."""
        if len(self.state) < len(variables):
            raise ValueError(
                f"Averages need one name per variable. Expected: {len(variables)}"
                f" different paths. Received: {len(self.state)}."
            )

    def _beside(self, variable: keras.Variable) -> tf.Variable:
        value = variable.value
        with self._strategy.extended.colocate_vars_with(value):
            return tf.Variable(
                tf.convert_to_tensor(value),
                trainable=False,
                name=f"{variable.path}/average",
            )

    def update(self, step: tf.Tensor) -> None:
        """Takes the weights after one optimizer step into the averages.

        Call it in a cross-replica context, or without any strategy.

        Args:
          step: int64 [], number of the optimizer step just made, the first being 0.
        """
        fraction = self.fraction(step)

        def blend(
            average: tf.Variable, value: tf.Tensor, new: tf.Tensor, old: tf.Tensor
        ) -> tf.Tensor:
            # Exact at a fraction of 1, unlike `average + new * (value - average)`.
            new, old = tf.cast(new, average.dtype), tf.cast(old, average.dtype)
            return average.assign(new * value + old * average)

        for value, average in self._pairs:
            self._strategy.extended.update(
                average, blend, args=(value, fraction, 1.0 - fraction), group=False
            )

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The model has the averaged weights inside, its own again afterwards.

        The copies on each device are exchanged one by one, so that even those that
        differ between replicas come back bit for bit.
        """
        local = self._strategy.experimental_local_results
        copies = [
            copy
            for pair in self._pairs
            for copy in zip(*(local(variable) for variable in pair), strict=True)
        ]
        raw = [value.read_value() for value, _ in copies]
        try:
            for value, average in copies:
                value.assign(average)
            yield
        finally:
            for (value, _), before in zip(copies, raw, strict=True):
                value.assign(before)


def build_average(
    config: AnyAverage, variables: Iterable[keras.Variable], num_steps: int
) -> WeightAverage:
    """Makes the average of all floating-point variables.

    Batch-norm statistics are among them: averaged weights need averaged statistics.

    Args:
      config: kind of average; `NoAverage` gives one that holds and changes nothing.
      variables: of a model; integer ones are left out.
      num_steps: optimizer steps of the whole run.
    """
    variables = [v for v in variables if keras.backend.is_float_dtype(v.dtype)]
    if isinstance(config, NoAverage):
        return WeightAverage([], tf.ones_like)
    if isinstance(config, ExponentialAverage):
        return WeightAverage(variables, _exponential(config.decay))
    return WeightAverage(variables, _uniform(round((1 - config.tail) * num_steps)))


def _exponential(decay: float) -> Fraction:
    # 1 - min(decay, (1 + t) / (10 + t)), without cancellation in float32.
    def fraction(step: tf.Tensor) -> tf.Tensor:
        return tf.maximum(1.0 - decay, 9.0 / (10.0 + tf.cast(step, tf.float32)))

    return fraction


def _uniform(start: int) -> Fraction:
    def fraction(step: tf.Tensor) -> tf.Tensor:
        count = tf.cast(step, tf.int64) - start + 1
        return 1.0 / tf.cast(tf.maximum(count, 1), tf.float32)

    return fraction
