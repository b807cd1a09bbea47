"""Keras optimizers, made from their configuration."""

import keras

from trainers.optimizers.config import Adagrad
from trainers.optimizers.config import Adam
from trainers.optimizers.config import AnyOptimizer
from trainers.optimizers.config import MomentumSGD
from trainers.optimizers.rmsprop import RMSpropTF1
from trainers.optimizers.rmsprop import RMSpropTorch
from trainers.optimizers.schedules import build_schedule

_RMSPROP = {
    "tf1": RMSpropTF1,
    "keras": keras.optimizers.RMSprop,
    "torch": RMSpropTorch,
}


def build_optimizer(
    config: AnyOptimizer, stage_length: int, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Makes the optimizer of one training stage; `apply_gradients` applies it.

    Clipping and L2 are not Keras's: they belong between the all-reduce over replicas
    and the update, see `trainers.optimizers.gradients`.

    Args:
      config: kind and numbers of the optimizer and of its learning-rate schedule.
      stage_length: optimizer steps in the stage.
      steps_per_epoch: optimizer steps that one epoch stands for.

    Returns:
      An optimizer without variables; its name, and so the names of its variables, is
      the same in every process.

    Raises:
      ConfigError: the schedule decays over no step.
    """
    schedule = build_schedule(config.learning_rate, stage_length, steps_per_epoch)
    if isinstance(config, MomentumSGD):
        return keras.optimizers.SGD(
            schedule, config.momentum, config.nesterov, name="optimizer"
        )
    if isinstance(config, Adam):
        return keras.optimizers.Adam(
            schedule,
            beta_1=config.beta_1,
            beta_2=config.beta_2,
            epsilon=config.epsilon,
            weight_decay=config.weight_decay,
            name="optimizer",
        )
    if isinstance(config, Adagrad):
        return keras.optimizers.Adagrad(
            schedule,
            initial_accumulator_value=config.initial_accumulator,
            epsilon=config.epsilon,
            name="optimizer",
        )
    return _RMSPROP[config.semantics](
        schedule,
        rho=config.rho,
        momentum=config.momentum,
        epsilon=config.epsilon,
        name="optimizer",
    )


def num_slots(config: AnyOptimizer) -> int:
    """How many numbers the optimizer keeps for each weight."""
    weight = keras.Variable(keras.ops.zeros((2, 3)), name="weight")
    optimizer = build_optimizer(config, stage_length=1000, steps_per_epoch=1)
    optimizer.build([weight])
    return sum(v.shape == weight.shape for v in optimizer.variables)
