"""A plain loss on weights with noise."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.catalog import implementation
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.weight_noise.config import WeightNoiseConfig

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Task


class WeightNoise(Objective):
    """Objective: a plain loss of what the model answers with noise on its weights.

    All trainable weights have it, and get the gradients of what they are with it. It
    follows from the seed of a batch's first example: each replica has its own.
    """

    def __init__(self, config: WeightNoiseConfig, task: "Task") -> None:
        """Takes the configuration; any task will do whose examples have seeds."""
        make_base = implementation("objective", config.base.kind)
        self._base: Objective = make_base(config.base, task)
        self._deviation = config.deviation

    def loss(self, outputs: "Outputs", batch: "Batch") -> Loss:
        """The plain loss."""
        return self._base.loss(outputs, batch)

    def loss_with_model(
        self,
        task: "Task",
        model: "Callable[..., Outputs]",
        batch: "Batch",
        training: bool,
    ) -> "tuple[Loss, Outputs]":
        """See `Objective.loss_with_model`.

        Args:
          task: see there.
          model: see there.
          batch: in training with ``seed`` int32 or int64 [b, 2].
          training: whether there is noise.

        Raises:
          ConfigError: the model is not here as a whole, or examples have no seeds.
        """
        if not training:
            return super().loss_with_model(task, model, batch, training)
        if not isinstance(model, keras.Model):
            raise ConfigError(
                "objective.kind: weight_noise needs the variables of the model."
                " Expected strategy.kind: data_parallel. Received a strategy that hands"
                " over parameters in the place of variables."
            )
        if "seed" not in batch:
            raise ConfigError(
                "objective.kind: weight_noise needs examples with seeds. Expected those"
                " of speech, texts or translations. Received examples of"
                f" {', '.join(sorted(batch))}."
            )
        seed = tf.cast(batch["seed"][0], tf.int64)
        noisy = [
            (weight, self._noisy(weight, seed, number))
            for number, weight in enumerate(model.trainable_variables)
        ]
        with keras.StatelessScope(state_mapping=noisy) as scope:
            made = super().loss_with_model(task, model, batch, training)
        # Such as moving averages.
        for variable in model.non_trainable_variables:
            changed = scope.get_current_value(variable)
            if changed is not None:
                variable.assign(changed)
        return made

    def _noisy(self, weight: keras.Variable, seed: tf.Tensor, number: int) -> tf.Tensor:
        own = tf.random.experimental.stateless_fold_in(seed, number)
        noise = tf.random.stateless_normal(weight.shape, own, alg="philox")
        held = tf.convert_to_tensor(weight.value)
        return held + self._deviation * tf.cast(noise, held.dtype)
