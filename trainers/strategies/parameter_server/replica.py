"""What one replica does: fetch parameters, work on its own batches, push."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext
from functools import reduce
from typing import Any
from typing import Literal
from typing import NamedTuple
from typing import Protocol

import keras
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.interfaces import Batch
from trainers.interfaces import Loss
from trainers.interfaces import Outputs
from trainers.interfaces import Stage
from trainers.interfaces import Task
from trainers.interfaces import Totals
from trainers.optimizers.gradients import add_l2
from trainers.optimizers.gradients import clip_by_global_norm
from trainers.optimizers.schedules import build_schedule
from trainers.state import trained_variables
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.flat import Flat
from trainers.totals import add_totals

Numbered = tuple[tf.Tensor, Batch]
"""A batch after its number in the data, int64 []."""


class Parameters(Protocol):
    """Where a replica's parameters are: a store, or what stands for one far away."""

    def present(self) -> tf.Tensor:
        """Pushes that the parameters hold now, int64 []."""

    def fetch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Their number, int64 [], and the parameters with at least these, [N]."""

    def push(self, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Updates them by a gradient, float32 [N], at a learning rate, float32 []."""


class Work(NamedTuple):
    """What a replica has computed between fetching and pushing."""

    gradient: tf.Tensor
    """float32 [N]; of several local steps the sum, which is the difference between
    their first and their last parameters over the learning rate."""
    totals: Totals
    """``loss``, its terms and the scalar metrics."""
    norm: tf.Tensor
    """float32 [], largest norm of a gradient before clipping."""

    @property
    def finite(self) -> tf.Tensor:
        """Whether loss and gradient are finite, bool []; others are not pushed."""
        loss, _ = self.totals["loss"]
        return tf.math.is_finite(self.norm) & tf.math.is_finite(loss)


class Started(NamedTuple):
    """A step whose push is still to come."""

    version: tf.Tensor
    """int64 [], pushes that the parameters held when they were fetched."""
    work: Work


Outcome = dict[str, Any]
"""Scalars of a step that has pushed: ``totals``, ``norm``, ``rate``, ``staleness`` and
``skipped``, 1 if its gradient was not finite and so not pushed."""


class Learner:
    """Gradients of a stage's loss at any parameters.

    The model computes with parameters that are handed over, in place of its own: no
    variable of this process is read or changed.
    """

    def __init__(
        self,
        model: keras.Model,
        flat: Flat,
        stage: Stage,
        devices: Literal["auto", "cpu", "gpu"],
        xla: bool,
    ) -> None:
        """Takes the structure of the model, and its random states as they are now."""
        self._model = model
        self._flat = flat
        self._stage = stage
        self._devices = devices
        self._trained = trained_variables(model, stage.frozen)
        place = {id(variable): i for i, variable in enumerate(flat.variables)}
        self._places = [place[id(variable)] for variable in self._trained]
        self._others = [
            (variable, variable.numpy())
            for variable in model.variables
            if not keras.backend.is_float_dtype(variable.dtype)
        ]
        self._gradient = tf.function(
            self._clipped_gradient, autograph=False, jit_compile=xla or None
        )

    def work(
        self, parameters: tf.Tensor, batches: Sequence[Numbered], rate: tf.Tensor
    ) -> Work:
        """Takes one local step for each batch, from the same parameters on.

        Args:
          parameters: float32 [N].
          batches: at least one.
          rate: float32 [], learning rate of local steps.
        """
        done: list[Work] = []
        with self._on_device():
            for number, batch in batches:
                if done:
                    parameters = parameters - rate * done[-1].gradient
                done.append(Work(*self._gradient(parameters, number, batch)))
            return Work(
                tf.add_n([each.gradient for each in done]),
                reduce(add_totals, (each.totals for each in done)),
                tf.reduce_max(tf.stack([each.norm for each in done])),
            )

    def _on_device(self) -> AbstractContextManager[Any]:
        # Of the machine where this runs: the name says nothing of a process.
        if self._devices == "auto":
            return nullcontext()
        return tf.device(f"/device:{self._devices.upper()}:0")

    def _clipped_gradient(
        self, parameters: tf.Tensor, number: tf.Tensor, batch: Batch
    ) -> Work:
        values = self._flat.unpack(parameters)
        states = self._states(values, number)
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss, outputs = self._loss(states, batch)
        gradients = tape.gradient(
            loss.total,
            [values[i] for i in self._places],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        gradients = [
            tf.math.divide_no_nan(tf.convert_to_tensor(gradient), loss.weight)
            for gradient in gradients
        ]
        optimizer = self._stage.optimizer
        with keras.StatelessScope(states):
            gradients = add_l2(gradients, self._trained, optimizer.l2)
        gradients, norm = clip_by_global_norm(gradients, optimizer.clip_global_norm)
        whole = [tf.zeros_like(value) for value in values]
        for i, gradient in zip(self._places, gradients, strict=True):
            whole[i] = gradient
        totals = totals_of(self._stage.task, loss, outputs, batch)
        return Work(self._flat.pack(whole), totals, norm)

    def _loss(
        self, states: Sequence[tuple[keras.Variable, tf.Tensor]], batch: Batch
    ) -> tuple[Loss, Outputs]:
        """The loss of the model with other values of its variables.

        Raises:
          ConfigError: the model changes one of its parameters by itself.
        """
        variables = self._flat.variables
        with keras.StatelessScope(states) as scope:
            before = [scope.get_current_value(variable) for variable in variables]
            result = self._stage.objective.loss_with_model(
                self._stage.task, self._model, batch, training=True
            )
        for variable, value in zip(variables, before, strict=True):
            if scope.get_current_value(variable) is not value:
                raise _moving_statistic(variable)
        return result

    def _states(
        self, values: Sequence[tf.Tensor], number: tf.Tensor
    ) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Parameters; random states of every batch's own; the step, which is counted in
        batches; other states as they were."""
        states = [*zip(self._flat.variables, values, strict=True)]
        for variable, value in self._others:
            state = tf.constant(value)
            if variable.path.endswith("seed_generator_state"):
                origin = tf.stack([tf.constant(int(value[0]), tf.int64), number])
                state = tf.random.stateless_uniform(
                    [2], origin, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
                )
            elif variable.path.endswith("training_step"):
                state = self._stage.start + number
            states.append((variable, tf.cast(state, variable.dtype)))
        return states


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

    A gradient that is not finite is not pushed.
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

    def __call__(self, iterator: Any) -> Outcome:
        """The whole step; `iterator` gives numbered batches."""
        return self.finish(self.start(iterator))

    def start(self, iterator: Any) -> Started:
        """Fetches and works."""
        version, parameters = self._parameters.fetch()
        batches = [next(iterator) for _ in range(self._num_batches)]
        rate = self._rates(version, version)
        return Started(version, self._learner.work(parameters, batches, rate))

    def finish(self, started: Started) -> Outcome:
        """Pushes, and tells in scalars what happened."""
        version, work = started
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


def totals_of(task: Task, loss: Loss, outputs: Outputs, batch: Batch) -> Totals:
    """The loss of a batch, its terms and the scalar metrics, to be added up."""
    metrics = task.metrics(outputs, batch)
    scalars = {k: pair for k, pair in metrics.items() if pair[0].shape.rank == 0}
    return {"loss": (loss.total, loss.weight), **loss.terms, **scalars}


def _moving_statistic(variable: keras.Variable) -> ConfigError:
    return ConfigError(
        f"strategy: training changes {variable.path!r}, which has no gradient, such as"
        " the moving statistics of batch normalization; replicas would overwrite one"
        " another's. Expected a model without these, such as model.batch_norm: null"
        " (layer normalization is possible), or strategy.kind: data_parallel."
    )
