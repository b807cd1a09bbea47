"""The parameters, in equal shards on the servers, and what is done there at once."""

from collections.abc import Mapping
from collections.abc import Sequence

import tensorflow as tf

from trainers.optimizers.averages import Fraction
from trainers.strategies.parameter_server.flat import cut
from trainers.strategies.parameter_server.updates import Pushed
from trainers.strategies.parameter_server.updates import Update

VALUE = "value"
AVERAGE = "average"


def contents(update: Update, fraction: Fraction | None) -> dict[str, float]:
    """Names of what a store holds for each parameter, and the number it begins with."""
    slots = dict(zip(update.slots, update.initial, strict=True))
    return {VALUE: 0.0, **slots, **({} if fraction is None else {AVERAGE: 0.0})}


class ParameterStore:
    """A vector of parameters that many replicas read and change without waiting.

    Each server has a contiguous shard of equal size, with the optimizer's slots and the
    average of the same numbers beside it (US11557277, claim 1). A push is one locked
    operation per shard, then a count: no push is lost. Replicas see a shard as some
    push left it, but perhaps different shards after different pushes.

    Moving statistics have no gradient. Of them a replica pushes how it has changed
    them, and the servers add that: none of the changes is lost either.

    Args:
      size: numbers in the vector.
      devices: one for each server.
      update: what a push does.
      fraction: share of the new parameters in their average at a step of the stage;
        no average when absent.
      with_gradient: numbers of the vector, from the first on, that have a gradient; all
        when absent.
    """

    def __init__(
        self,
        size: int,
        devices: Sequence[str],
        update: Update,
        fraction: Fraction | None = None,
        with_gradient: int | None = None,
    ) -> None:
        self._update = update
        self._fraction = fraction
        self._devices = tuple(devices)
        self._parts = cut(size, len(self._devices))
        self._with_gradient = size if with_gradient is None else with_gradient
        self.shards = {
            name: self._spread(number)
            for name, number in contents(update, fraction).items()
        }
        """Variables of each server by what they hold: `VALUE`, slots, `AVERAGE`."""
        with tf.device(self._devices[0]):
            self.version = tf.Variable(0, trainable=False, dtype=tf.int64)
            """int64 [], pushes that the parameters hold."""

    def _spread(self, number: float) -> list[tf.Variable]:
        shards = []
        for device, part in zip(self._devices, self._parts, strict=True):
            with tf.device(device):
                filled = tf.fill([part.stop - part.start], number)
                shards.append(tf.Variable(filled, trainable=False))
        return shards

    def present(self) -> tf.Tensor:
        """Pushes that the parameters hold now, int64 []."""
        return self.version.read_value()

    def fetch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Their number, int64 [], and the parameters with at least these, [N]."""
        version = self.present()
        with tf.control_dependencies([version]):
            shards = [shard.read_value() for shard in self.shards[VALUE]]
        return version, tf.concat(shards, 0)

    def push(self, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Updates the parameters and their average, and counts.

        Args:
          gradient: float32 [N]; of statistics how they have changed.
          rate: float32 [], learning rate.
        """
        step = self.present()
        number = tf.cast(step + 1, tf.float32)
        done = []
        for i, part in enumerate(self._parts):
            with tf.device(self._devices[i]):
                done += self._apply(i, tf.identity(gradient[part]), rate, number)
                if self._fraction is not None:
                    share = self._fraction(step)
                    done.append(self._blend(i, share, done[-1]))
        # An operation that has run eagerly is None; it is done already.
        with tf.control_dependencies([each for each in done if each is not None]):
            self.version.assign_add(1)

    def _apply(
        self, server: int, pushed: tf.Tensor, rate: tf.Tensor, number: tf.Tensor
    ) -> list[tf.Operation | None]:
        """Updates one shard, and adds the changes of statistics if it has any."""
        part, value = self._parts[server], self.shards[VALUE][server]
        size = part.stop - part.start
        count = min(max(self._with_gradient - part.start, 0), size)
        slots = [self.shards[name][server] for name in self._update.slots]
        if count == size:
            return [self._update.apply(value, slots, Pushed(pushed, rate, number))]
        gradient = tf.pad(pushed[:count], [[0, size - count]])
        done = self._update.apply(value, slots, Pushed(gradient, rate, number))
        with tf.control_dependencies([] if done is None else [done]):
            added = tf.raw_ops.ResourceApplyGradientDescent(
                var=value.handle,
                alpha=-1.0,
                delta=tf.pad(pushed[count:], [[count, 0]]),
                use_locking=True,
            )
        return [done, added]

    def _blend(
        self, server: int, share: tf.Tensor, after: tf.Operation | None
    ) -> tf.Operation:
        """Takes one shard's parameters into their average, in one operation too."""
        average = self.shards[AVERAGE][server]
        with tf.control_dependencies([] if after is None else [after]):
            new = self.shards[VALUE][server].read_value()
            return tf.raw_ops.ResourceApplyGradientDescent(
                var=average.handle,
                alpha=share,
                delta=average.read_value() - new,
                use_locking=True,
            )

    def load(self, vectors: Mapping[str, tf.Tensor], version: int) -> None:
        """Takes other values, float32 [N] each, by name of `shards`."""
        for name, vector in vectors.items():
            for shard, part in zip(self.shards[name], self._parts, strict=True):
                shard.assign(vector[part])
        self.version.assign(version)

    def read(self) -> dict[str, tf.Tensor]:
        """All values by name of `shards`, float32 [N] each."""
        return {
            name: tf.concat([shard.read_value() for shard in shards], 0)
            for name, shards in self.shards.items()
        }
