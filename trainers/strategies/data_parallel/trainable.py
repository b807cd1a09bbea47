"""The data-parallel step: gradients, one all-reduce, normalisation, guarded update."""

import math
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainers.compression.interfaces import Trained
from trainers.compression.interfaces import open_compression
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.interfaces import Summary
from trainers.interfaces import Totals
from trainers.optimizers.factory import build_optimizer
from trainers.optimizers.gradients import add_l2
from trainers.optimizers.gradients import apply_gradients
from trainers.optimizers.gradients import clip_by_global_norm
from trainers.optimizers.loss_scale import LossScale
from trainers.state import named_variables
from trainers.state import placed_variables
from trainers.state import trained_variables


class DataParallelTrainable:
    """Trains a mirrored model; every replica computes its share of each batch.

    One optimizer step: each replica sums the gradients of its micro-batches; one
    all-reduce adds them and the loss weights over replicas; the sum is divided by the
    global weight, joined by L2, clipped, and applied. An update that is not finite is
    left out, unless the run allows none of these and so ends at the first.
    """

    def __init__(
        self,
        distribution: tf.distribute.Strategy,
        placed: Placed,
        stage: Stage,
        run: RunConfig,
        batches: Any,
    ) -> None:
        """Creates the optimizer's variables and opens the input pipeline."""
        self._distribution = distribution
        # A single one exchanges nothing, and needs no copy of its gradients.
        self._one_vector = distribution.num_replicas_in_sync > 1
        self._model = placed.model
        self._average = placed.average
        self._stage = stage
        self._micro_batches = run.accumulation
        self._may_skip = run.skippable_updates > 0
        self._variables = trained_variables(placed.model, stage.frozen)
        self._statistics = [
            variable.value
            for variable in placed.model.non_trainable_variables
            if keras.backend.is_float_dtype(variable.dtype)
        ]
        with distribution.scope():
            self._optimizer = build_optimizer(
                stage.optimizer, stage.steps, stage.task.steps_per_epoch
            )
            self._optimizer.build(self._variables)
            self._scale = LossScale(run.precision, run.loss_scale)
            self._compression = open_compression(
                Trained(placed, self._variables, stage)
            )
        self.state = {
            **placed_variables(placed),
            **named_variables("optimizer", self._optimizer.variables),
            **self._scale.state,
            **self._compression.state,
        }
        self._compiled = run.xla
        self._backward = self._maybe_compiled(self._loss_and_gradients)
        self._finish = self._maybe_compiled(self._finished)
        self._iterator = iter(batches)
        self._step = tf.function(self._distributed_step, autograph=False)
        # Tracing one step tells what it returns, so that the loop can start from zeros.
        self._outcome = self._step.get_concrete_function(
            self._iterator.element_spec
        ).structured_outputs
        self._chunk = tf.function(self._many_steps)

    def run(self, num_steps: int) -> Summary:
        """Trains `num_steps` optimizer steps in one compiled loop."""
        started = time.perf_counter()
        result = self._chunk(self._iterator, tf.constant(num_steps))
        totals = tf.nest.map_structure(
            lambda value: np.float64(value.numpy()), result["totals"]
        )
        return Summary(
            steps=num_steps,
            totals=totals,
            skipped=int(result["skipped"]),
            learning_rate=float(self._optimizer.learning_rate),
            seconds=time.perf_counter() - started,
            gradient_norm=float(result["gradient_norm"]),
            extra=self._compression.figures(),
        )

    def figures(self) -> dict[str, Any]:
        """None of its own."""
        return {}

    @property
    def traces(self) -> int:
        """How often the step has been traced; more than once means retracing."""
        return int(self._step.experimental_get_tracing_count())

    def _maybe_compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return tf.function(function, jit_compile=True) if self._compiled else function

    def _many_steps(self, iterator: Any, num_steps: tf.Tensor) -> dict[str, Any]:
        result = tf.nest.map_structure(
            lambda value: tf.zeros(value.shape, value.dtype), self._outcome
        )
        for _ in tf.range(num_steps):
            outcome = self._step(next(iterator))
            norm = tf.maximum(result["gradient_norm"], outcome["gradient_norm"])
            result = tf.nest.map_structure(tf.add, result, outcome)
            result["gradient_norm"] = norm
        return result

    def _distributed_step(self, batch: Any) -> dict[str, Any]:
        outcome = self._distribution.run(self._replica_step, args=(batch,))
        return tf.nest.map_structure(
            lambda value: self._distribution.experimental_local_results(value)[0],
            outcome,
        )

    def _replica_step(self, batch: Batch) -> dict[str, Any]:
        before = [tf.identity(statistic) for statistic in self._statistics]
        gradients, totals = self._accumulate(batch)
        gradients, totals = _sum_over_replicas(gradients, totals)
        divisor = totals["loss"][1] * self._scale.value
        gradients, norm = self._finish(gradients, divisor)
        finite = tf.math.is_finite(norm) & tf.math.is_finite(totals["loss"][0])
        context = tf.distribute.get_replica_context()
        skipped = context.merge_call(self._update, args=(gradients, before, finite))
        return {"totals": totals, "skipped": skipped, "gradient_norm": norm}

    def _finished(
        self, gradients: list[tf.Tensor], divisor: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients as they update, and their norm, from those of all replicas."""
        if self._one_vector:
            gradients = _in_parts(gradients[0], self._variables)
        gradients = [tf.math.divide_no_nan(gradient, divisor) for gradient in gradients]
        gradients = add_l2(gradients, self._variables, self._stage.optimizer.l2)
        return clip_by_global_norm(gradients, self._stage.optimizer.clip_global_norm)

    def _accumulate(self, batch: Batch) -> tuple[list[tf.Tensor], Totals]:
        """Sums gradients and totals over the micro-batches of one replica's batch."""
        parts = {
            name: tf.split(value, self._micro_batches) for name, value in batch.items()
        }
        gradients, totals = self._backward(
            {name: part[0] for name, part in parts.items()}
        )
        for i in range(1, self._micro_batches):
            more = self._backward({name: part[i] for name, part in parts.items()})
            gradients, totals = tf.nest.map_structure(tf.add, (gradients, totals), more)
        return gradients, totals

    def _loss_and_gradients(self, batch: Batch) -> tuple[list[tf.Tensor], Totals]:
        with tf.GradientTape() as tape, self._compression.computing():
            loss, outputs = self._stage.objective.loss_with_model(
                self._stage.task, self._model, batch, training=True
            )
            scaled = loss.total * self._scale.value
        gradients = tape.gradient(
            scaled,
            [variable.value for variable in self._variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        if self._one_vector:
            gradients = [_in_one(gradients)]
        metrics = self._stage.task.metrics(outputs, batch)
        scalars = {
            name: pair for name, pair in metrics.items() if pair[0].shape.rank == 0
        }
        return gradients, {
            "loss": (loss.total, loss.weight),
            **loss.terms,
            **scalars,
        }

    def _update(
        self,
        distribution: tf.distribute.Strategy,
        gradients: list[Any],
        statistics: list[Any],
        finite: Any,
    ) -> tf.Tensor:
        """Applies the update on every device; returns 1 if it is not finite, else 0.

        Leaving it out also takes back what the forward pass did to the batch-norm
        statistics, or one bad batch would poison them for good.
        """
        finite = distribution.experimental_local_results(finite)[0]

        def learn(gradients: Sequence[Any]) -> None:
            apply_gradients(self._optimizer, gradients, self._variables, self._compiled)
            self._average.update(self._stage.start + self._optimizer.iterations - 1)

        def apply() -> tf.Tensor:
            step = tf.identity(self._optimizer.iterations.value)
            self._compression.update(step, gradients, learn)
            return finite

        def leave_out() -> tf.Tensor:
            for variable, before in zip(self._statistics, statistics, strict=True):
                distribution.extended.update(
                    variable,
                    lambda v, value: v.assign(value),
                    args=(before,),
                    group=False,
                )
            return finite

        if self._may_skip:
            tf.cond(finite, apply, leave_out)
        else:
            apply()
        self._scale.update(finite)
        return 1 - tf.cast(finite, tf.int32)


def _in_one(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """All gradients in a vector, which replicas exchange in less time than each."""
    return tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0)


def _in_parts(
    vector: tf.Tensor, variables: Sequence[keras.Variable]
) -> list[tf.Tensor]:
    """The gradients of which `_in_one` made a vector."""
    shapes = [variable.shape for variable in variables]
    parts = tf.split(vector, [math.prod(shape) for shape in shapes])
    return [tf.reshape(*each) for each in zip(parts, shapes, strict=True)]


def _sum_over_replicas(
    gradients: list[tf.Tensor], totals: Totals
) -> tuple[list[tf.Tensor], Totals]:
    """One all-reduce for all gradients and, stacked into a vector, all totals."""
    context = tf.distribute.get_replica_context()
    flat = tf.stack(tf.nest.flatten(totals))
    *gradients, flat = context.all_reduce(
        tf.distribute.ReduceOp.SUM, [*gradients, flat]
    )
    return gradients, tf.nest.pack_sequence_as(totals, tf.unstack(flat))
