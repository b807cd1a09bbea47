"""The pipelined step: micro-batches through the stages, then one synchronous update."""

import time
from functools import reduce
from itertools import chain
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.interfaces import Summary
from trainers.interfaces import Totals
from trainers.optimizers.factory import build_optimizer
from trainers.optimizers.gradients import add_l2
from trainers.optimizers.gradients import update_variables
from trainers.optimizers.loss_scale import LossScale
from trainers.state import named_variables
from trainers.state import placed_variables
from trainers.state import trained_variables
from trainers.strategies.pipeline import timeline
from trainers.strategies.pipeline.flow import Flow
from trainers.strategies.pipeline.flow import split
from trainers.strategies.pipeline.layout import Layout
from trainers.strategies.pipeline.moments import Moments
from trainers.strategies.pipeline.part import PartRun
from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.simulation import Timeline
from trainers.strategies.pipeline.simulation import timed
from trainers.totals import add_totals


class PipelineTrainable:
    """Trains a model whose stages lie on several devices.

    One optimizer step: the micro-batches pass forward and backward through the stages,
    all with the same weights; each stage sums its gradients where it lies; only
    scalars, the loss weight and the squared norms, are exchanged; every device updates
    its own variables. The result is that of one device and the whole batch (arXiv
    1811.06965, section 2.2), but for batch norms, which see micro-batches.
    """

    def __init__(
        self,
        layout: Layout,
        schedule: Schedule,
        inline: bool,
        placed: Placed,
        stage: Stage,
        run: RunConfig,
        batches: Any,
    ) -> None:
        """Creates the optimizer's variables beside those they belong to."""
        self._layout = layout
        self._schedule = schedule
        self._stage = stage
        self._average = placed.average
        self._programs = layout.programs(
            stage.task, stage.objective, not inline, run.xla
        )
        self._moments = [Moments(program) for program in self._programs]
        self._may_skip = run.skippable_updates > 0
        trained = trained_variables(placed.model, stage.frozen)
        wanted = {id(variable) for variable in trained}
        self._variables = [
            [variable for variable in owned if id(variable) in wanted]
            for owned in layout.owned
        ]
        place = {id(v): i for i, v in enumerate(chain.from_iterable(self._variables))}
        self._order = [place[id(variable)] for variable in trained]
        self._trained = [
            [i for i, v in enumerate(program.weights) if id(v) in wanted]
            for program in self._programs
        ]
        self._optimizer = build_optimizer(
            stage.optimizer, stage.steps, stage.task.steps_per_epoch
        )
        layout.placement.build_slots(self._optimizer, self._variables)
        self._scale = LossScale(run.precision, run.loss_scale)
        self.state = {
            **placed_variables(placed),
            **named_variables("optimizer", self._optimizer.variables),
            **self._scale.state,
        }
        self._iterator = iter(batches)
        self._step = tf.function(self._train, autograph=False)
        self.timeline = Timeline((), len(schedule.orders))
        """When the tasks of the last step ran."""

    def run(self, num_steps: int) -> Summary:
        """Trains `num_steps` optimizer steps."""
        started = time.perf_counter()
        outcomes = [self._step(next(self._iterator)) for _ in range(num_steps)]
        totals: Totals = {}
        for outcome in outcomes:
            counted = tf.nest.map_structure(np.float64, outcome["totals"])
            totals = add_totals(totals, counted)
        self.timeline = timed(self._schedule, outcomes[-1]["times"].numpy())
        return Summary(
            steps=num_steps,
            totals=totals,
            skipped=sum(int(outcome["skipped"]) for outcome in outcomes),
            learning_rate=float(self._optimizer.learning_rate),
            seconds=time.perf_counter() - started,
            gradient_norm=max(float(outcome["norm"]) for outcome in outcomes),
            extra=self._measures(outcomes[-1]["norms"].numpy()),
        )

    def _measures(self, norms: np.ndarray) -> dict[str, float]:
        """Figures of the last step for the logs."""
        measures = {"pipeline/bubble": self.timeline.bubble}
        for device, norm in enumerate(norms):
            busy = float(self.timeline.busy(device))
            measures[f"pipeline/busy_seconds_{device}"] = busy
            measures[f"pipeline/gradient_norm_{device}"] = float(norm)
        return measures

    def figures(self) -> dict[str, Any]:
        """The timeline of the last step, if there was one."""
        if not self.timeline.spans:
            return {}
        return {"timeline": timeline.figure(self.timeline, "seconds")}

    @property
    def traces(self) -> int:
        """How often the step has been traced; more than once means retracing."""
        return int(self._step.experimental_get_tracing_count())

    def _train(self, batch: Batch) -> dict[str, Any]:
        replicas = self._layout.placement.num_replicas
        batches = split(batch, self._schedule.num_micro_batches, replicas)
        sizes = [[_rows(each) for each in row] for row in batches]
        inputs = self._layout.inputs(self._stage.task, batches)
        runs = self._start()
        flow = Flow(self._layout, self._programs, self._schedule, runs)
        times = flow.trace(batches, inputs, self._scale.value)
        totals = {
            name: pair
            for name, pair in reduce(
                add_totals, (part for run in runs[-1] for part in run.totals)
            ).items()
            if pair[0].shape.rank == 0
        }
        gradients = self._reduce(runs, totals["loss"][1] * self._scale.value)
        squares = [_squares(each) for each in gradients]
        # In an order that the cuts do not change, and with it not the rounding.
        norm = tf.sqrt(tf.reduce_sum(tf.gather(tf.concat(squares, 0), self._order)))
        finite = tf.math.is_finite(norm) & tf.math.is_finite(totals["loss"][0])
        self._keep_states(runs)
        moments = [
            pair
            for moments, row in zip(self._moments, runs, strict=True)
            for pair in moments.pooled(row, sizes)
        ]

        def apply() -> tf.Tensor:
            self._apply(gradients, norm, moments)
            return finite

        if self._may_skip:
            tf.cond(finite, apply, lambda: finite)
        else:
            apply()
        self._scale.update(finite)
        skipped = 1 - tf.cast(finite, tf.int32)
        return {
            "totals": totals,
            "skipped": skipped,
            "norm": norm,
            "norms": tf.sqrt(tf.stack([tf.reduce_sum(each) for each in squares])),
            "times": times,
        }

    def _start(self) -> list[list[PartRun]]:
        """Reads the states of all parts, and the weights that other devices own."""
        return [
            [
                PartRun(
                    program,
                    *self._layout.variables(part, replica, program),
                    self._moments[part].positions,
                    self._trained[part],
                )
                for replica in range(self._layout.placement.num_replicas)
            ]
            for part, program in enumerate(self._programs)
        ]

    def _reduce(
        self, runs: list[list[PartRun]], divisor: tf.Tensor
    ) -> list[list[tf.Tensor]]:
        """Mean gradients with L2, of each device's variables, where these lie."""
        found: dict[int, list[tf.Tensor]] = {}
        for program, trained, row in zip(
            self._programs, self._trained, runs, strict=True
        ):
            for run in row:
                for i, gradient in zip(trained, run.gradients, strict=True):
                    found.setdefault(id(program.weights[i]), []).append(gradient)
        reduced = []
        for device, variables in enumerate(self._variables):
            with tf.device(self._layout.placement.devices[device][0]):
                means = [
                    tf.math.divide_no_nan(tf.add_n(found[id(variable)]), divisor)
                    for variable in variables
                ]
                reduced.append(add_l2(means, variables, self._stage.optimizer.l2))
        return reduced

    def _apply(
        self,
        gradients: list[list[tf.Tensor]],
        norm: tf.Tensor,
        moments: list[tuple[keras.Variable, tf.Tensor]],
    ) -> None:
        """Every device updates what it owns; one step of one optimizer."""
        clip = self._stage.optimizer.clip_global_norm
        factor = None if clip is None else clip / tf.maximum(norm, clip)
        for device, variables in enumerate(self._variables):
            name = self._layout.placement.devices[device][0]
            with tf.device(name):
                clipped = [
                    gradient if factor is None else gradient * factor
                    for gradient in gradients[device]
                ]
            with self._layout.placement.scope(device):
                update_variables(self._optimizer, clipped, variables)
        for variable, value in moments:
            with self._layout.placement.scope(self._layout.owner[id(variable)]):
                variable.assign(value)
        step = self._stage.start + self._optimizer.iterations
        self._optimizer.iterations.assign_add(1)
        self._average.update(step)

    def _keep_states(self, runs: list[list[PartRun]]) -> None:
        """Stores random and other states: in all replicas, those of the first."""
        for program, moments, row in zip(
            self._programs, self._moments, runs, strict=True
        ):
            for i, variable in enumerate(program.states):
                if i not in moments.positions:
                    owner = self._layout.owner[id(variable)]
                    for copy in self._layout.placement.copies(owner, variable):
                        copy.assign(row[0].states[i])


def _rows(batch: Batch) -> int:
    return int(next(iter(batch.values())).shape[0])


def _squares(gradients: list[tf.Tensor]) -> tf.Tensor:
    """Squared norm of each, float32 [gradients], where they lie."""
    if not gradients:
        return tf.zeros([0])
    with tf.device(gradients[0].device):
        return tf.stack([2 * tf.nn.l2_loss(gradient) for gradient in gradients])
