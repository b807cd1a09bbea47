"""The order in which each device of a pipeline does its tasks."""

from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal
from typing import NamedTuple

from tfmodels.errors import ConfigError

Kind = Literal["F", "R", "B", "W"]
"""Forward; the same again from the stage's input, where nothing else was kept; gradient
of the stage's input, and of its weights unless W follows; gradient of its weights."""
ScheduleName = Literal["gpipe", "1f1b", "interleaved_1f1b", "zb_h1"]
Rematerialize = Literal["never", "except_last", "always"]


class Task(NamedTuple):
    """A stage's part in one micro-batch."""

    kind: Kind
    stage: int
    micro_batch: int

    def __str__(self) -> str:
        return f"{self.kind}{self.micro_batch}"


Order = list[Task]
"""Tasks of one device, which it does one after the other."""


@dataclass(frozen=True)
class Schedule:
    """A strict order of tasks for each device; stage s is on device s mod K."""

    num_stages: int
    num_micro_batches: int
    orders: tuple[tuple[Task, ...], ...]
    """Tasks of each device."""

    @cached_property
    def tasks(self) -> frozenset[Task]:
        """All tasks of all devices."""
        return frozenset(chain.from_iterable(self.orders))

    def device(self, stage: int) -> int:
        """The device that holds a stage."""
        return stage % len(self.orders)

    def needs(self, task: Task) -> list[Task]:
        """The tasks whose results a task takes."""
        kind, stage, m = task
        last = self.num_stages - 1
        if kind == "F":
            return [Task("F", stage - 1, m)] if stage > 0 else []
        if kind == "R":
            return [Task("F", stage, m)]
        if kind == "W":
            return [Task("B", stage, m)]
        again = Task("R", stage, m)
        forward = again if again in self.tasks else Task("F", stage, m)
        return [forward] if stage == last else [forward, Task("B", stage + 1, m)]

    def executable(self) -> Iterator[Task]:
        """All tasks, each after those it needs and those before it on its device.

        Raises:
          ValueError: the orders wait for one another for ever.
        """
        waiting = [deque(order) for order in self.orders]
        done: set[Task] = set()
        while any(waiting):
            before = len(done)
            for queue in waiting:
                while queue and done.issuperset(self.needs(queue[0])):
                    task = queue.popleft()
                    done.add(task)
                    yield task
            if len(done) == before:
                stuck = ", ".join(str(queue[0]) for queue in waiting if queue)
                raise ValueError(f"The schedule is deadlocked. Next in line: {stuck}.")


def schedule(
    name: ScheduleName,
    num_devices: int,
    num_micro_batches: int,
    chunks: int = 1,
    rematerialize: Rematerialize = "never",
) -> Schedule:
    """Makes a training schedule.

    Args:
      name: ``gpipe`` (arXiv 1811.06965, figure 2c), ``1f1b`` (PipeDream-flush),
        ``interleaved_1f1b`` (arXiv 2104.04473, section 2.2) or ``zb_h1`` (arXiv
        2401.10241, section 2.2).
      num_devices: K.
      num_micro_batches: M, may be less than K except for ``interleaved_1f1b``.
      chunks: stages on each device; more than 1 for ``interleaved_1f1b`` only.
      rematerialize: for which tasks a stage's forward is done again before its
        gradient; ``except_last`` leaves out those whose gradient follows at once. It is
        done as soon as the device is free, not only when the gradient has arrived.

    Raises:
      ConfigError: `chunks` do not suit the schedule, or it needs another M.
    """
    if chunks > 1 and name != "interleaved_1f1b":
        raise ConfigError(
            f"strategy.chunks: {name} has one stage on each device. Expected 1, or"
            f" strategy.schedule: interleaved_1f1b; received {chunks}."
        )
    if name == "interleaved_1f1b" and num_micro_batches % num_devices:
        raise ConfigError(
            "strategy.microbatches: interleaved_1f1b works in rounds of as many"
            f" micro-batches as devices. Expected a multiple of {num_devices}; received"
            f" {num_micro_batches}. Change it, or strategy.schedule to 1f1b."
        )
    orders = [
        _with_recomputation(
            _ORDERS[name](num_devices, num_micro_batches, chunks, device), rematerialize
        )
        for device in range(num_devices)
    ]
    return Schedule(
        num_devices * chunks, num_micro_batches, tuple(tuple(o) for o in orders)
    )


def forward_only(num_devices: int, num_micro_batches: int, chunks: int = 1) -> Schedule:
    """Makes a schedule that evaluates: every micro-batch once through all stages."""
    orders = [
        tuple(
            Task("F", device + chunk * num_devices, m)
            for m in range(num_micro_batches)
            for chunk in range(chunks)
        )
        for device in range(num_devices)
    ]
    return Schedule(num_devices * chunks, num_micro_batches, tuple(orders))


def _gpipe(num_devices: int, num_micro_batches: int, chunks: int, stage: int) -> Order:
    forward = [Task("F", stage, m) for m in range(num_micro_batches)]
    return forward + [Task("B", stage, m) for m in reversed(range(num_micro_batches))]


def _one_f_one_b(
    num_devices: int, num_micro_batches: int, chunks: int, stage: int
) -> Order:
    return _alternate(
        [Task("F", stage, m) for m in range(num_micro_batches)],
        [Task("B", stage, m) for m in range(num_micro_batches)],
        min(num_devices - 1 - stage, num_micro_batches),
    )


def _interleaved(
    num_devices: int, num_micro_batches: int, chunks: int, device: int
) -> Order:
    per_round = num_devices * chunks

    def task(kind: Kind, i: int) -> Task:
        chunk = i % per_round // num_devices
        chunk = chunks - 1 - chunk if kind == "B" else chunk
        micro_batch = i // per_round * num_devices + i % num_devices
        return Task(kind, device + chunk * num_devices, micro_batch)

    count = num_micro_batches * chunks
    warm_up = 2 * (num_devices - device - 1) + (chunks - 1) * num_devices
    if num_micro_batches == num_devices:
        warm_up = count
    return _alternate(
        [task("F", i) for i in range(count)],
        [task("B", i) for i in range(count)],
        min(count, warm_up),
    )


def _zb_h1(num_devices: int, num_micro_batches: int, chunks: int, stage: int) -> Order:
    order: Order = []
    pending: deque[Task] = deque()
    num_forward = 0
    for task in _one_f_one_b(num_devices, num_micro_batches, chunks, stage):
        order.append(task)
        num_forward += task.kind == "F"
        if task.kind == "B":
            pending.append(Task("W", stage, task.micro_batch))
            cooling_down = num_forward == num_micro_batches and order[-2].kind != "F"
            if cooling_down or len(pending) > stage:
                order.append(pending.popleft())
    return [*order, *pending]


def _alternate(forward: Order, backward: Order, warm_up: int) -> Order:
    """Some forward tasks, then one of each in turn, then the rest."""
    order = forward[:warm_up]
    for task, other in zip(forward[warm_up:], backward, strict=False):
        order += [task, other]
    return order + backward[len(forward) - warm_up :]


def _with_recomputation(order: Order, rematerialize: Rematerialize) -> Order:
    if rematerialize == "never":
        return order
    result: Order = []
    for i, task in enumerate(order):
        at_once = i > 0 and order[i - 1] == task._replace(kind="F")
        if task.kind == "B" and not (at_once and rematerialize == "except_last"):
            result.append(task._replace(kind="R"))
        result.append(task)
    return result


_ORDERS: dict[str, Callable[[int, int, int, int], Order]] = {
    "gpipe": _gpipe,
    "1f1b": _one_f_one_b,
    "interleaved_1f1b": _interleaved,
    "zb_h1": _zb_h1,
}
