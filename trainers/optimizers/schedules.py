"""Learning-rate schedules, made from their configuration."""

from typing import Any

import keras

from tfmodels.errors import ConfigError
from trainers.durations import Duration
from trainers.durations import to_steps
from trainers.optimizers.config import AnySchedule
from trainers.optimizers.config import ConstantSchedule
from trainers.optimizers.config import CosineSchedule
from trainers.optimizers.config import ExponentialSchedule


class Constant(keras.optimizers.schedules.LearningRateSchedule):
    """The same learning rate at every step."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate, float32 []."""
        return keras.ops.convert_to_tensor(self.learning_rate, "float32")


class LinearWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """``target * step / length`` before step `length`, another schedule from there on.

    The other schedule is not shifted: it has been decaying since step 0.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        target: float,
        length: int,
    ) -> None:
        self.schedule = schedule
        self.target = target
        self.length = length

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of `step` (an integer scalar), float32 []."""
        step = keras.ops.cast(step, "float32")
        rising = self.target * step / self.length
        return keras.ops.where(step < self.length, rising, self.schedule(step))


def build_schedule(
    config: AnySchedule, stage_length: int, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Makes the schedule of one training stage.

    Args:
      config: kind and numbers of the schedule.
      stage_length: optimizer steps in the stage; decays without a length end there.
      steps_per_epoch: optimizer steps that one epoch stands for.

    Returns:
      A function from the step counted from the start of the stage to the learning rate.

    Raises:
      ConfigError: a decay has no length.
    """
    schedule = _decay(config, stage_length, steps_per_epoch)
    warmup = to_steps(config.warmup, steps_per_epoch)
    return LinearWarmup(schedule, config.initial, warmup) if warmup else schedule


def _decay(
    config: AnySchedule, stage_length: int, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    if isinstance(config, ConstantSchedule):
        return Constant(config.initial)
    if isinstance(config, ExponentialSchedule):
        every = _positive_steps("every", config.every, steps_per_epoch)
        return schedules.ExponentialDecay(
            config.initial, every, config.factor, staircase=config.staircase
        )
    length = stage_length if config.length is None else config.length
    num_steps = _positive_steps("length", length, steps_per_epoch)
    if isinstance(config, CosineSchedule):
        return schedules.CosineDecay(
            config.initial, num_steps, alpha=config.end_fraction
        )
    return schedules.PolynomialDecay(
        config.initial, num_steps, end_learning_rate=config.end, power=config.power
    )


def _positive_steps(key: str, duration: Duration, steps_per_epoch: int) -> int:
    num_steps = to_steps(duration, steps_per_epoch)
    if num_steps < 1:
        raise ConfigError(
            f"The learning rate would decay over no step at all. Expected:"
            f" learning_rate.{key} of at least one step. Received: {duration!r} with"
            f" {steps_per_epoch} steps per epoch."
        )
    return num_steps
