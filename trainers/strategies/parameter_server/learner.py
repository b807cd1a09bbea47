"""What a replica computes: gradients of a stage's loss at parameters it is given."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext
from functools import reduce
from typing import Any
from typing import Literal
from typing import NamedTuple

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
from trainers.state import trained_variables
from trainers.strategies.parameter_server.flat import Flat
from trainers.totals import add_totals

Numbered = tuple[tf.Tensor, Batch]
"""A batch after its number in the data, int64 []."""


class Work(NamedTuple):
    """What a replica has computed between fetching and pushing."""

    gradient: tf.Tensor
    """float32 [N]; of several local steps the sum, which is the difference between
    their first and their last parameters over the learning rate. In the places of
    moving statistics it is how these have changed."""
    totals: Totals
    """``loss``, its terms and the scalar metrics."""
    norm: tf.Tensor
    """float32 [], largest norm of a gradient before clipping."""

    @property
    def finite(self) -> tf.Tensor:
        """Whether loss and gradient are finite, bool []; others are not pushed."""
        loss, _ = self.totals["loss"]
        return tf.math.is_finite(self.norm) & tf.math.is_finite(loss)


class Subject(NamedTuple):
    """What is to be learned, and where."""

    model: keras.Model
    flat: Flat
    """The order of its parameters in their vector."""
    stage: Stage
    devices: Literal["auto", "cpu", "gpu"] = "auto"
    xla: bool = False


class Learner:
    """Gradients of a stage's loss at any parameters.

    The model computes with parameters that are handed over, in place of its own: no
    variable of this process is read or changed.
    """

    def __init__(self, subject: Subject) -> None:
        """Takes the structure of the model, and its random states as they are now."""
        self._model = model = subject.model
        self.flat = flat = subject.flat
        """The order of the parameters in their vector."""
        self._stage = stage = subject.stage
        self._devices = subject.devices
        self._trained = trained_variables(model, stage.frozen)
        place = {id(variable): i for i, variable in enumerate(flat.variables)}
        self._places = [place[id(variable)] for variable in self._trained]
        self._others = [
            (variable, variable.numpy())
            for variable in model.variables
            if not keras.backend.is_float_dtype(variable.dtype)
        ]
        self._gradient = tf.function(
            self._clipped_gradient, autograph=False, jit_compile=subject.xla or None
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
                    parameters = self.flat.moved(parameters, done[-1].gradient, rate)
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
        values = self.flat.unpack(parameters)
        states = self._states(values, number)
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss, outputs, changes = self._loss(states, batch)
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
        whole = changes
        for i, gradient in zip(self._places, gradients, strict=True):
            whole[i] = gradient
        totals = totals_of(self._stage.task, loss, outputs, batch)
        return Work(self.flat.pack(whole), totals, norm)

    def _loss(
        self, states: Sequence[tuple[keras.Variable, tf.Tensor]], batch: Batch
    ) -> tuple[Loss, Outputs, list[tf.Tensor]]:
        """The loss of the model with other values of its variables.

        Also how it has changed each of these by itself: statistics, or not at all.

        Raises:
          ConfigError: the model changes one of its parameters by itself.
        """
        variables = self.flat.variables
        with keras.StatelessScope(states) as scope:
            before = [scope.get_current_value(variable) for variable in variables]
            loss, outputs = self._stage.objective.loss_with_model(
                self._stage.task, self._model, batch, training=True
            )
        changes = []
        for variable, value in zip(variables, before, strict=True):
            after = scope.get_current_value(variable)
            if after is value:
                changes.append(tf.zeros_like(value))
            elif variable.trainable:
                raise _changed_by_itself(variable)
            else:
                changes.append(tf.cast(after, value.dtype) - value)
        return loss, outputs, changes

    def _states(
        self, values: Sequence[tf.Tensor], number: tf.Tensor
    ) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Parameters; random states of every batch's own; the step, which is counted in
        batches; other states as they were."""
        states = [*zip(self.flat.variables, values, strict=True)]
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


def totals_of(task: Task, loss: Loss, outputs: Outputs, batch: Batch) -> Totals:
    """The loss of a batch, its terms and the scalar metrics, to be added up."""
    metrics = task.metrics(outputs, batch)
    scalars = {k: pair for k, pair in metrics.items() if pair[0].shape.rank == 0}
    return {"loss": (loss.total, loss.weight), **loss.terms, **scalars}


def _changed_by_itself(variable: keras.Variable) -> ConfigError:
    return ConfigError(
        f"strategy: the model changes {variable.path!r} by itself, which a replica's"
        " gradient changes too; replicas would overwrite one another's. Expected a"
        " model without such layers, as of spectral normalization, or strategy.kind:"
        f" data_parallel. Received a change of {variable.name!r} in training."
    )
