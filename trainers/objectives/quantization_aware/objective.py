"""A plain loss on weights that are rounded as an export will round them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras

from tfmodels.errors import ConfigError
from tfmodels.quantization.policy import default_policy
from tfmodels.quantization.training import fake_quantized
from trainers.catalog import implementation
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.quantization_aware.config import QuantizationAwareConfig

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Task


class QuantizationAware(Objective):
    """Objective: a plain loss of what the model answers with rounded weights.

    The weights themselves stay in floating point and learn (OCTAV, arXiv 2206.06501,
    section 4). Evaluations run with rounded weights too.
    """

    def __init__(self, config: QuantizationAwareConfig, task: "Task") -> None:
        """Takes the configuration; any task will do."""
        make_base = implementation("objective", config.base.kind)
        self._base: Objective = make_base(config.base, task)
        self._policy = default_policy(config.bits, config.clipping)
        self._gradient = config.gradient

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

        Raises:
          ConfigError: the model is not here as a whole, or has nothing to round.
        """
        if not isinstance(model, keras.Model):
            raise ConfigError(
                "objective.kind: quantization_aware needs the variables of the model."
                " Expected strategy.kind: data_parallel. Received a strategy that hands"
                " over parameters in the place of variables."
            )
        with fake_quantized(model, self._policy, self._gradient):
            return super().loss_with_model(task, model, batch, training)
