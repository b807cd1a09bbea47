"""Asynchronous replicas of tiny models, run for some steps on the virtual clock."""

from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from trainers.experiment import RunConfig
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.strategies.config import DataParallelConfig
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.data_parallel.strategy import DataParallel
from trainers.strategies.parameter_server.strategy import ParameterServer


class Opened(NamedTuple):
    """A model that is ready to be trained."""

    strategy: Any
    placed: Placed
    stage: Stage
    trainable: Any

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Weights of the model by their path."""
        return {v.path: v.numpy() for v in self.placed.model.weights}

    @property
    def state(self) -> dict[str, np.ndarray]:
        """All that a checkpoint holds."""
        return {name: v.numpy() for name, v in self.trainable.state.items()}


def opened(
    stage: Stage,
    strategy: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    start: int = 0,
) -> Opened:
    """Prepares a stage for replicas, or without `strategy` for data parallelism."""
    settings = RunConfig.parse({"steps": 100, **(run or {})})
    made: Any
    if strategy is None:
        config = DataParallelConfig.parse({"devices": "cpu", "replicas": 1})
        made = DataParallel(config, settings)
    else:
        made = ParameterServer(ParameterServerConfig.parse(strategy), settings)
    keras.utils.set_random_seed(1)
    placed = made.build([stage])
    return Opened(made, placed, stage, made.prepare(placed, stage, start))


class HalfSquare(Objective):
    """Half the squares of the model's outputs: of one weight w, ``w ** 2 / 2``."""

    def loss(self, outputs: Any, batch: Any) -> Loss:
        """The sum over the rows."""
        losses = 0.5 * keras.ops.sum(keras.ops.square(outputs["logits"]), axis=1)
        return Loss(
            keras.ops.sum(losses * batch["weight"]), keras.ops.sum(batch["weight"]), {}
        )
