"""The model, its optimizer and its averages in the process that looks at them."""

from typing import Any

import keras
import tensorflow as tf

from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.optimizers.factory import build_optimizer
from trainers.optimizers.loss_scale import LossScale
from trainers.state import named_variables
from trainers.state import placed_variables
from trainers.state import trained_variables
from trainers.strategies.parameter_server.flat import Flat
from trainers.strategies.parameter_server.store import AVERAGE
from trainers.strategies.parameter_server.store import VALUE
from trainers.strategies.parameter_server.updates import Update


class LocalState:
    """Plain variables that hold the truth between chunks of steps.

    Evaluation and export see a plain Keras model, checkpoints the names of every other
    strategy, and nothing is lost with a server. The optimizer is here for its
    variables; it never updates anything.
    """

    def __init__(
        self, placed: Placed, stage: Stage, flat: Flat, update: Update
    ) -> None:
        """Creates the optimizer's variables, as `data_parallel` does."""
        self._flat = flat
        self._optimizer = build_optimizer(
            stage.optimizer, stage.steps, stage.task.steps_per_epoch
        )
        trained = trained_variables(placed.model, stage.frozen)
        self._optimizer.build(trained)
        place = {id(variable): i for i, variable in enumerate(flat.variables)}
        self._vectors: dict[str, list[Any]] = {
            VALUE: [variable.value for variable in flat.variables]
        }
        self._initial = dict(zip(update.slots, update.initial, strict=True))
        for name in update.slots:
            slots: list[Any] = [None] * len(flat.variables)
            kept = (v for v in self._optimizer.variables if _is_slot(v, name))
            for variable, slot in zip(trained, kept, strict=False):
                slots[place[id(variable)]] = slot.value
            self._vectors[name] = slots
        averages = placed.average.state
        if averages:
            self._vectors[AVERAGE] = [averages[v.path] for v in flat.variables]
        self.variables = {
            **placed_variables(placed),
            **named_variables("optimizer", self._optimizer.variables),
            **LossScale("float32", 1.0).state,
        }
        """All that a checkpoint holds, by its name there."""

    @property
    def version(self) -> int:
        """Pushes that the variables hold."""
        return int(self._optimizer.iterations.numpy())

    def vectors(self) -> dict[str, tf.Tensor]:
        """What the servers have to hold, float32 [N] each, by its name there."""
        shapes = [variable.shape for variable in self._flat.variables]
        packed = {}
        for name, variables in self._vectors.items():
            # Keras keeps nothing for what it does not train, or does not need.
            values = [
                tf.fill(shape, self._initial[name]) if variable is None else variable
                for shape, variable in zip(shapes, variables, strict=True)
            ]
            packed[name] = self._flat.pack(values)
        return packed

    def take(self, vectors: dict[str, tf.Tensor], version: int) -> None:
        """Takes over what the servers hold."""
        for name, variables in self._vectors.items():
            values = self._flat.unpack(vectors[name])
            for variable, value in zip(variables, values, strict=True):
                if variable is not None:
                    variable.assign(value)
        self._optimizer.iterations.assign(version)


def _is_slot(variable: keras.Variable, name: str) -> bool:
    return str(variable.name).endswith(f"_{name}")
