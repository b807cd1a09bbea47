"""A plain loss on weights with noise."""

from typing import TYPE_CHECKING
from typing import Any

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
        model: Any,
        batch: "Batch",
        training: bool,
    ) -> "tuple[Loss, Outputs]":
        """See `Objective.loss_with_model`.

        Args:
          task: see there.
          model: a Keras model, with its variables or with a replica's values of them.
          batch: in training with ``seed`` int32 or int64 [b, 2].
          training: whether there is noise.

        Raises:
          ConfigError: examples have no seeds.
        """
        if not training:
            return super().loss_with_model(task, model, batch, training)
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
        # Such as moving averages, which replicas have values of their own of, too.
        others = [
            (variable, tf.convert_to_tensor(variable.value))
            for variable in model.non_trainable_variables
        ]
        with keras.StatelessScope(state_mapping=[*noisy, *others]) as scope:
            made = super().loss_with_model(task, model, batch, training)
        for variable, value in others:
            changed = scope.get_current_value(variable)
            if changed is not value:
                variable.assign(changed)
        return made

    def _noisy(self, weight: keras.Variable, seed: tf.Tensor, number: int) -> tf.Tensor:
        own = tf.random.experimental.stateless_fold_in(seed, number)
        noise = tf.random.stateless_normal(weight.shape, own, alg="philox")
        held = tf.convert_to_tensor(weight.value)
        return held + self._deviation * tf.cast(noise, held.dtype)
