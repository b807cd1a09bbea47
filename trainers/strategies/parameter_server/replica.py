"""What one replica does: fetch parameters, work on its own batches, push."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple
from typing import Protocol

import tensorflow as tf

from trainers.interfaces import Stage
from trainers.optimizers.schedules import build_schedule
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.learner import Learner
from trainers.strategies.parameter_server.learner import Work


class Parameters(Protocol):
    """Where a replica's parameters are: a store, or what stands for one far away."""

    def present(self) -> tf.Tensor:
        """Pushes that the parameters hold now, int64 []."""

    def fetch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Their number, int64 [], and the parameters with at least these, [N]."""

    def push(self, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Updates them by a gradient, float32 [N], at a learning rate, float32 []."""


class Started(NamedTuple):
    """A step whose push is still to come."""

    version: tf.Tensor
    """int64 [], pushes that the parameters held when they were fetched; further ones
    of this replica, which they hold too, included."""
    parameters: tf.Tensor
    """float32 [N], those worked with."""
    work: Work


Outcome = dict[str, Any]
"""Scalars of a step that has pushed: ``totals``, ``norm``, ``rate``, ``staleness`` and
``skipped``, 1 if its gradient was not finite and so not pushed."""


class Rates:
    """Learning rates of pushes: that of the version that a push meets."""

    def __init__(self, stage: Stage, config: ParameterServerConfig) -> None:
        """Takes the schedule of a stage, and what becomes of stale pushes."""
        self._weaker = config.staleness == "inverse"
        self._schedule = build_schedule(
            stage.optimizer.learning_rate, stage.steps, stage.task.steps_per_epoch
        )

    def __call__(self, version: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
        """The rate, float32 [].

        Args:
          version: int64 [], pushes that the parameters held when they were fetched.
          present: int64 [], pushes that they hold now.
        """
        rate = self._schedule(present)
        if self._weaker:
            rate = rate / tf.cast(1 + present - version, rate.dtype)
        return rate


class ReplicaStep:
    """One step of a replica: fetch, work, push (US10672384, claims 1-3).

    If `pushes_per_fetch` is more than one, not every step fetches: others go on with
    the parameters that the last one's own gradients have led to (Dean et al., NIPS
    2012, n_fetch and n_push). A gradient that is not finite is not pushed.
    """

    def __init__(
        self,
        parameters: Parameters,
        learner: Learner,
        stage: Stage,
        config: ParameterServerConfig,
    ) -> None:
        """Takes where to fetch from and push to, and what computes in between."""
        self._parameters = parameters
        self._learner = learner
        self._num_batches = config.local_steps
        self._rates = Rates(stage, config)

    def __call__(self, iterator: Any, pushes: int = 1) -> list[Outcome]:
        """Steps of which the first fetches; `iterator` gives numbered batches."""
        started = self.start(iterator)
        outcomes = [self.finish(started)]
        for _ in range(pushes - 1):
            started = self.go_on(started, iterator)
            outcomes.append(self.finish(started))
        return outcomes

    def start(self, iterator: Any) -> Started:
        """Fetches and works."""
        return self._work(*self._parameters.fetch(), iterator)

    def go_on(self, last: Started, iterator: Any) -> Started:
        """Works with the parameters to which this replica's last step has led."""
        pushed = last.work.finite
        rate = self._rates(last.version, last.version)
        moved = self._learner.flat.moved(last.parameters, last.work.gradient, rate)
        parameters = tf.where(pushed, moved, last.parameters)
        return self._work(
            last.version + tf.cast(pushed, tf.int64), parameters, iterator
        )

    def _work(
        self, version: tf.Tensor, parameters: tf.Tensor, iterator: Any
    ) -> Started:
        batches = [next(iterator) for _ in range(self._num_batches)]
        rate = self._rates(version, version)
        work = self._learner.work(parameters, batches, rate)
        return Started(version, parameters, work)

    def finish(self, started: Started) -> Outcome:
        """Pushes, and tells in scalars what happened."""
        version, _, work = started
        # Not of the gradient itself: the function that makes it is inlined, and waiting
        # for an inlined function without side effects is waiting for nothing.
        with tf.control_dependencies([tf.identity(work.gradient)]):
            present = self._parameters.present()
        rate = self._rates(version, present)

        def push() -> tf.Tensor:
            self._parameters.push(work.gradient, rate)
            return tf.constant(0)

        skipped = tf.cond(work.finite, push, lambda: tf.constant(1))
        return {
            "totals": work.totals,
            "norm": work.norm,
            "rate": rate,
            "staleness": present - version,
            "skipped": skipped,
        }


class Succession:
    """The steps of one replica one after another, of which only some fetch.

    Args:
      start: `ReplicaStep.start`, compiled or not.
      go_on: `ReplicaStep.go_on`, likewise.
      pushes_per_fetch: steps from one that fetches to the next.
    """

    def __init__(
        self,
        start: Callable[[Any], Started],
        go_on: Callable[[Started, Any], Started],
        pushes_per_fetch: int,
    ) -> None:
        self._start = start
        self._go_on = go_on
        self._most = pushes_per_fetch
        self._last: Started | None = None
        self._left = 0

    def __call__(self, iterator: Any) -> Started:
        """The next step, up to its push."""
        if self._last is None or not self._left:
            started, self._left = self._start(iterator), self._most
        else:
            started = self._go_on(self._last, iterator)
        self._left -= 1
        self._last = started if self._left else None
        return started

    def forget(self) -> None:
        """Lets the next step fetch: the last one has not counted."""
        self._last = None
