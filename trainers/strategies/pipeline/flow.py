"""One mini-batch through all stages: the tasks of a schedule, in its order."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainers.devices import own_cores
from trainers.interfaces import Batch
from trainers.strategies.pipeline.layout import Layout
from trainers.strategies.pipeline.part import PartRun
from trainers.strategies.pipeline.program import PartProgram
from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.schedules import Task


class Flow:
    """Traces tasks, each on its device and after the task before it there.

    TensorFlow would otherwise run a task as soon as its inputs are there: recomputation
    at once, so that it saved nothing, and backward tasks in any order. Each task has a
    gradient tape of its own: one tape over all stages would run every gradient on the
    device where the gradient is asked for.

    Args:
      layout: stages, their parts, and devices.
      programs: what the parts compute.
      schedule: order of the tasks.
      runs: [parts][replicas].
    """

    def __init__(
        self,
        layout: Layout,
        programs: Sequence[PartProgram],
        schedule: Schedule,
        runs: Sequence[Sequence[PartRun]],
    ) -> None:
        self._devices = layout.placement.devices
        self._segments = layout.segments
        self._parts = layout.numbers
        self._programs = programs
        self._schedule = schedule
        self._runs = runs

    def trace(
        self,
        batches: Sequence[Sequence[Batch]],
        inputs: Sequence[Sequence[dict[int, tf.Tensor]]],
        scale: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Adds all tasks to the graph.

        Args:
          batches: [micro-batches][replicas].
          inputs: [micro-batches][replicas], the model's inputs by number.
          scale: factor on the loss, float32 []; None when evaluating.

        Returns:
          When each task of the first replica began and ended, in the order of
          `Schedule.executable`, float64 [tasks, 2], seconds.
        """
        self._batches = batches
        self._values = [[dict(values) for values in row] for row in inputs]
        self._cotangents: list[list[dict[int, Any]]] = [
            [{} for _ in row] for row in inputs
        ]
        self._scale = scale
        before: dict[str, tf.Tensor] = {}
        times = []
        for task in self._schedule.executable():
            names = self._devices[self._schedule.device(task.stage)]
            for replica, name in enumerate(names):
                with tf.device(name):
                    token = [before[name]] if name in before else []
                    begun, ended = self._do(task, replica, token)
                before[name] = ended
                if replica == 0:
                    times.append(tf.stack([begun, ended]))
        return tf.stack(times)

    def _do(
        self, task: Task, replica: int, token: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Adds a task; returns when it began and when it ended."""
        # What other devices made comes over before, so that the task waits for nothing.
        arguments = tf.nest.map_structure(tf.identity, self._arguments(task, replica))
        begun = _now([*tf.nest.flatten(arguments), *token])
        do = {
            "F": self._forward,
            "R": self._again,
            "B": self._backward,
            "W": self._weights,
        }
        with tf.control_dependencies([begun]), own_cores(begun.device):
            made = do[task.kind](task, replica, arguments)
        # What waits for a call waits for its side effects; for its results, only this.
        return begun, _now([begun, *map(tf.identity, made)])

    def _arguments(self, task: Task, replica: int) -> dict[int, tf.Tensor]:
        """What other stages made for this task, by number."""
        programs = [self._programs[part] for part in self._parts[task.stage]]
        m = task.micro_batch
        if task.kind == "F":
            values = self._values[m][replica]
            return {n: values[n] for p in programs for n in p.reads if n in values}
        if task.kind == "B":
            arrived = self._cotangents[m][replica]
            return {
                n: arrived.pop(n) for p in programs for n in p.writes if n in arrived
            }
        return {}

    def _forward(
        self, task: Task, replica: int, values: dict[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        m = task.micro_batch
        again = task._replace(kind="R") in self._schedule.tasks
        made: list[tf.Tensor] = []
        for part in self._parts[task.stage]:
            program = self._programs[part]
            # Only the loss needs it: no other device must wait for a copy.
            last = part == len(self._programs) - 1
            writes = self._runs[part][replica].forward(
                m,
                [values[number] for number in program.reads],
                self._batches[m][replica] if last else {},
                keep=self._scale is not None
                and (self._segments[part].kept or not again),
            )
            written = dict(zip(program.writes, writes, strict=False))
            values |= written
            self._values[m][replica] |= written
            made += writes
        return made

    def _again(
        self, task: Task, replica: int, arguments: dict[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        return [
            write
            for part in self._parts[task.stage]
            if not self._segments[part].kept
            for write in self._runs[part][replica].again(task.micro_batch)
        ]

    def _backward(
        self, task: Task, replica: int, arrived: dict[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        m, parts = task.micro_batch, self._parts[task.stage]
        split = task._replace(kind="W") in self._schedule.tasks
        inside = {number for part in parts for number in self._programs[part].writes}
        outside = self._cotangents[m][replica]
        made: list[tf.Tensor] = []
        for part in reversed(parts):
            program, run = self._programs[part], self._runs[part][replica]
            cotangents: list[Any] = [arrived.pop(n, None) for n in program.writes]
            if part == len(self._programs) - 1:
                cotangents.append(self._scale)
            for number, found in zip(
                program.reads, run.backward(m, cotangents), strict=True
            ):
                if found is not None:
                    sums = arrived if number in inside else outside
                    sums[number] = sums[number] + found if number in sums else found
                    made.append(found)
            if not split:
                made += run.add_gradients(m)
        return made

    def _weights(
        self, task: Task, replica: int, arguments: dict[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        return [
            gradient
            for part in reversed(self._parts[task.stage])
            for gradient in self._runs[part][replica].postponed_gradients(
                task.micro_batch
            )
        ]


def _now(after: Sequence[tf.Tensor]) -> tf.Tensor:
    """The time at which the tensors are there, float64 [], seconds."""
    with tf.control_dependencies(after):
        now = tf.timestamp()
    # Like every operation with a side effect it would wait for all those before it, on
    # whatever device.
    tf.compat.v1.get_default_graph().experimental_acd_manager.run_independently(now.op)
    return now


def split(batch: Batch, num_micro_batches: int, num_replicas: int) -> list[list[Batch]]:
    """Cuts a batch into micro-batches, and these into the shares of replicas.

    Sizes differ by one at most, the larger ones first, if they do not divide.
    """
    rows = next(iter(batch.values())).shape[0]
    count = num_micro_batches * num_replicas
    sizes = [rows // count + (i < rows % count) for i in range(count)]
    pieces = {name: tf.split(value, sizes) for name, value in batch.items()}
    flat = [{name: piece[i] for name, piece in pieces.items()} for i in range(count)]
    return [
        flat[m * num_replicas : (m + 1) * num_replicas]
        for m in range(num_micro_batches)
    ]
