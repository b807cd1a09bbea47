"""The devices of a pipeline, and how a model's variables get onto them."""

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state


class Placement:
    """Devices in the order of the pipeline, each of them one or several replicas.

    Every pipeline device has a ``tf.distribute`` strategy of its own, which mirrors the
    variables of its stages over its replicas.

    Args:
      devices: names, [pipeline devices][replicas].
    """

    def __init__(self, devices: Sequence[Sequence[str]]) -> None:
        self.devices = tuple(map(tuple, devices))
        self._strategies = [_strategy(names) for names in self.devices]

    @property
    def num_replicas(self) -> int:
        """Replicas of every pipeline device."""
        return len(self.devices[0])

    def scope(self, device: int) -> AbstractContextManager[Any]:
        """Context in which variables of a pipeline device are created and updated."""
        return self._strategies[device].scope()

    def copies(self, device: int, variable: keras.Variable) -> tuple[tf.Variable, ...]:
        """A variable of a pipeline device, as it lies on each replica."""
        return self._strategies[device].experimental_local_results(variable.value)

    def build_slots(
        self,
        optimizer: keras.optimizers.Optimizer,
        owned: Sequence[Sequence[keras.Variable]],
    ) -> None:
        """Creates an optimizer's variables, each on the device of what it belongs to.

        Args:
          optimizer: not built yet.
          owned: [pipeline devices], the variables it trains.
        """
        owner = {id(v): device for device, row in enumerate(owned) for v in row}
        create = optimizer.add_variable_from_reference

        def beside(reference: keras.Variable, *args: Any, **kwargs: Any) -> Any:
            # Keras asks the strategy in which the optimizer itself was made.
            optimizer._distribution_strategy = self._strategies[owner[id(reference)]]
            with self.scope(owner[id(reference)]):
                return create(reference, *args, **kwargs)

        optimizer.add_variable_from_reference = beside
        optimizer.build([variable for row in owned for variable in row])


def _strategy(devices: Sequence[str]) -> tf.distribute.Strategy:
    if len(devices) == 1:
        return tf.distribute.OneDeviceStrategy(devices[0])
    # The default collectives of two strategies in one process meet under the same keys.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction)


def without_values(build: Callable[[], keras.Model]) -> keras.Model:
    """Builds a model whose variables have shapes, but no values and no memory.

    `give_value` gives them values, each on a device of its own.
    """
    with keras.StatelessScope(initialize_variables=False):
        model = build()
    # Keras would create them all, here, the next time that it traces a layer.
    global_state.set_global_attribute("uninitialized_variables", [])
    return model


def give_value(variable: keras.Variable) -> None:
    """Draws the initial value of a variable, on the devices of the scope in force."""
    variable._deferred_initialize()
