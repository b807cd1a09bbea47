"""One mini-batch through all stages: the tasks of a schedule, in its order."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

from trainers.interfaces import Batch
from trainers.strategies.pipeline.layout import Layout
from trainers.strategies.pipeline.program import StageProgram
from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.schedules import Task
from trainers.strategies.pipeline.stage import StageRun


class Flow:
    """Traces tasks, each on its device and after the task before it there.

    TensorFlow would otherwise run a task as soon as its inputs are there: recomputation
    at once, so that it saved nothing, and backward tasks in any order. Each task has a
    gradient tape of its own: one tape over all stages would run every gradient on the
    device where the gradient is asked for.

    Args:
      layout: stages and devices.
      programs: what the stages compute.
      schedule: order of the tasks.
      runs: [stages][replicas].
    """

    def __init__(
        self,
        layout: Layout,
        programs: Sequence[StageProgram],
        schedule: Schedule,
        runs: Sequence[Sequence[StageRun]],
    ) -> None:
        self._devices = layout.placement.devices
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
        with tf.control_dependencies([begun]), _executor(begun.device):
            made = do[task.kind](task, replica, arguments)
        # What waits for a call waits for its side effects; for its results, only this.
        return begun, _now([begun, *map(tf.identity, made)])

    def _arguments(self, task: Task, replica: int) -> dict[int, tf.Tensor]:
        """What other tasks made for this one, by number."""
        program, m = self._programs[task.stage], task.micro_batch
        if task.kind == "F":
            values = self._values[m][replica]
            return {number: values[number] for number in program.reads}
        if task.kind == "B":
            arrived = self._cotangents[m][replica]
            return {n: arrived.pop(n) for n in program.writes if n in arrived}
        return {}

    def _forward(
        self, task: Task, replica: int, reads: dict[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        program, m = self._programs[task.stage], task.micro_batch
        again = task._replace(kind="R") in self._schedule.tasks
        # Only the loss needs it: no other device must wait for a copy.
        last = task.stage == self._schedule.num_stages - 1
        writes = self._runs[task.stage][replica].forward(
            m,
            list(reads.values()),
            self._batches[m][replica] if last else {},
            keep=self._scale is not None and not again,
        )
        self._values[m][replica].update(zip(program.writes, writes, strict=False))
        return writes

    def _again(
        self, task: Task, replica: int, arguments: dict[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        return self._runs[task.stage][replica].again(task.micro_batch)

    def _backward(
        self, task: Task, replica: int, arrived: dict[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        program, m = self._programs[task.stage], task.micro_batch
        cotangents = [arrived.get(number) for number in program.writes]
        if task.stage == self._schedule.num_stages - 1:
            cotangents.append(self._scale)
        run = self._runs[task.stage][replica]
        found = run.backward(m, cotangents)
        sums = self._cotangents[m][replica]
        for number, cotangent in zip(program.reads, found, strict=True):
            if cotangent is not None:
                other = sums.get(number)
                sums[number] = cotangent if other is None else other + cotangent
        made = [each for each in found if each is not None]
        split = task._replace(kind="W") in self._schedule.tasks
        return made if split else [*made, *run.add_gradients(m)]

    def _weights(
        self, task: Task, replica: int, arguments: dict[int, tf.Tensor]
    ) -> list[tf.Tensor]:
        return self._runs[task.stage][replica].postponed_gradients(task.micro_batch)


def _executor(device: str) -> AbstractContextManager[None]:
    """How functions called inside run their operations.

    A CPU device stands for its share of the cores. TensorFlow would take those of its
    neighbours too, and hold more results at a time.
    """
    alone = tf.DeviceSpec.from_string(device).device_type == "CPU"
    return tf.experimental.function_executor_type(
        "SINGLE_THREADED_EXECUTOR" if alone else ""
    )


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
