"""Updates that a server makes at once: one fused operation, locked, per shard.

A Keras optimizer reads, computes and assigns; of two replicas that do so at the same
time one loses its update.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from tfmodels.config import Config
from tfmodels.errors import ConfigError
from trainers.optimizers.averages import Fraction
from trainers.optimizers.averages import build_average
from trainers.optimizers.config import Adagrad
from trainers.optimizers.config import Adam
from trainers.optimizers.config import AnyAverage
from trainers.optimizers.config import AnyOptimizer
from trainers.optimizers.config import MomentumSGD
from trainers.optimizers.config import NoAverage
from trainers.optimizers.config import RMSProp


class Pushed(NamedTuple):
    """What reaches one server."""

    gradient: tf.Tensor
    """float32 [n], of its shard."""
    rate: tf.Tensor
    """float32 [], learning rate."""
    step: tf.Tensor
    """float32 [], number of this update, from 1."""


Apply = Callable[[tf.Variable, Sequence[tf.Variable], Pushed], tf.Operation]


@dataclass(frozen=True)
class Update:
    """How a server changes its shard of the parameters, and what it keeps for that."""

    apply: Apply
    """Changes the shard and its slots by what was pushed; safe from several at once."""
    slots: tuple[str, ...] = ()
    """Names of the numbers kept for each parameter, those of the Keras optimizer."""
    initial: tuple[float, ...] = ()
    """What they are before the first update, for parameters that Keras has none for."""


class Upkeep(Config):
    """What a server must know of a stage to keep a shard of its parameters."""

    optimizer: AnyOptimizer
    """Of the stage."""
    average: AnyAverage
    """Of the run."""
    start: int
    """Step of the run at which the stage begins."""
    end: int
    """Last step of the run."""

    @property
    def update(self) -> Update:
        """What a push does to the parameters; see `server_update`."""
        return server_update(self.optimizer)

    @property
    def fraction(self) -> Fraction | None:
        """Share of new parameters in their average at a step of the stage, if any."""
        if isinstance(self.average, NoAverage):
            return None
        fraction = build_average(self.average, [], self.end).fraction
        return lambda step: fraction(step + self.start)


def server_update(config: AnyOptimizer) -> Update:
    """The update of an optimizer, equal to that of `trainers.optimizers.factory`.

    Raises:
      ConfigError: there is no such operation.
    """
    if isinstance(config, MomentumSGD):
        return _momentum(config) if config.momentum else Update(_descend)
    if isinstance(config, Adagrad):
        return _adagrad(config)
    if isinstance(config, Adam) and config.weight_decay is None:
        return _adam(config)
    if isinstance(config, RMSProp) and config.semantics != "torch":
        return _rmsprop(config)
    raise ConfigError(
        "optimizer: a parameter server cannot make this update at once, so that none"
        " is lost. Expected sgd, adagrad, adam without weight_decay (optimizer.l2 is"
        " possible), or rmsprop with the semantics tf1 or keras. Received"
        f" optimizer.kind: {config.kind}, {config!r}."
    )


def _descend(
    value: tf.Variable, slots: Sequence[tf.Variable], pushed: Pushed
) -> tf.Operation:
    return tf.raw_ops.ResourceApplyGradientDescent(
        var=value.handle,
        alpha=pushed.rate,
        delta=pushed.gradient,
        use_locking=True,
    )


def _momentum(config: MomentumSGD) -> Update:
    def apply(
        value: tf.Variable, slots: Sequence[tf.Variable], pushed: Pushed
    ) -> tf.Operation:
        return tf.raw_ops.ResourceApplyKerasMomentum(
            var=value.handle,
            accum=slots[0].handle,
            lr=pushed.rate,
            grad=pushed.gradient,
            momentum=config.momentum,
            use_locking=True,
            use_nesterov=config.nesterov,
        )

    return Update(apply, ("momentum",), (0.0,))


def _adagrad(config: Adagrad) -> Update:
    def apply(
        value: tf.Variable, slots: Sequence[tf.Variable], pushed: Pushed
    ) -> tf.Operation:
        return tf.raw_ops.ResourceApplyAdagradV2(
            var=value.handle,
            accum=slots[0].handle,
            lr=pushed.rate,
            epsilon=config.epsilon,
            grad=pushed.gradient,
            use_locking=True,
        )

    return Update(apply, ("accumulator",), (config.initial_accumulator,))


def _adam(config: Adam) -> Update:
    def apply(
        value: tf.Variable, slots: Sequence[tf.Variable], pushed: Pushed
    ) -> tf.Operation:
        return tf.raw_ops.ResourceApplyAdam(
            var=value.handle,
            m=slots[0].handle,
            v=slots[1].handle,
            beta1_power=config.beta_1**pushed.step,
            beta2_power=config.beta_2**pushed.step,
            lr=pushed.rate,
            beta1=config.beta_1,
            beta2=config.beta_2,
            epsilon=config.epsilon,
            grad=pushed.gradient,
            use_locking=True,
        )

    return Update(apply, ("momentum", "velocity"), (0.0, 0.0))


def _rmsprop(config: RMSProp) -> Update:
    def apply(
        value: tf.Variable, slots: Sequence[tf.Variable], pushed: Pushed
    ) -> tf.Operation:
        return tf.raw_ops.ResourceApplyRMSProp(
            var=value.handle,
            ms=slots[0].handle,
            mom=slots[1].handle,
            lr=pushed.rate,
            rho=config.rho,
            momentum=config.momentum,
            epsilon=config.epsilon,
            grad=pushed.gradient,
            use_locking=True,
        )

    # Keras keeps no momentum where there is none; the operation wants a place for it.
    square = 1.0 if config.semantics == "tf1" else 0.0
    return Update(apply, ("velocity", "momentum"), (square, 0.0))
