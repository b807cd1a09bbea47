"""What stages hold in the course of a schedule, and most of it at a time."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.schedules import Task
from trainers.strategies.pipeline.simulation import Duration
from trainers.strategies.pipeline.simulation import Timeline


class Holding(NamedTuple):
    """What a stage holds at some moment."""

    whole: int
    """Micro-batches of which it holds all that their gradient needs."""
    begun: int
    """Micro-batches of which it holds only what it takes to compute them again."""


Holdings = dict[int, Holding]
"""By stage."""


def course(order: Iterable[Task]) -> Iterator[tuple[Task, Holdings, Holdings]]:
    """What a device's stages hold during each of its tasks, and after it.

    All that the gradient needs, from the forward task, or from doing it again, to the
    last task that needs it; before it is done again, only what that takes (arXiv
    1811.06965, section 2.3).
    """
    tasks = list(order)
    again = {task[1:] for task in tasks if task.kind == "R"}
    last = "W" if any(task.kind == "W" for task in tasks) else "B"
    held: Holdings = {}
    for task in tasks:
        whole, begun = held.get(task.stage, Holding(0, 0))
        repeated = task[1:] in again
        whole += task.kind == "R" or (task.kind == "F" and not repeated)
        begun += (task.kind == "F" and repeated) - (task.kind == "R")
        during = {**held, task.stage: Holding(whole, begun)}
        after = Holding(whole - (task.kind == last), begun)
        held = {**held, task.stage: after}
        yield task, during, held


def holdings(order: Iterable[Task]) -> list[Holdings]:
    """What a device's stages hold, in each of its tasks that makes them hold more."""
    return [during for task, during, _ in course(order) if task.kind in ("F", "R")]


class Needs(NamedTuple):
    """Bytes that a task needs only while it runs."""

    early: int
    """In the first half of its time."""
    late: int
    """In the second half."""


def peak_together(
    schedule: Schedule,
    timeline: Timeline,
    held: Callable[[Holdings], int],
    inside: Callable[[Task], Needs],
) -> int:
    """Most bytes on all devices at a time, for devices that share a memory.

    Args:
      schedule: the orders.
      timeline: when the tasks run.
      held: bytes of what a device's stages hold.
      inside: bytes that a task needs besides, while it runs.
    """
    spans = {span.task: span for span in timeline.spans}
    # At the same time, what ends does so before anything starts.
    changes: list[tuple[Duration, bool, int, int]] = []
    for device, order in enumerate(schedule.orders):
        for task, during, after in course(order):
            span = spans[task]
            middle = Fraction(span.start + span.end) / 2
            base, needs = held(during), inside(task)
            changes.append((span.start, True, device, base + needs.early))
            changes.append((middle, True, device, base + needs.late))
            changes.append((span.end, False, device, held(after)))
    now: dict[int, int] = {}
    peak = 0
    for _, _, device, size in sorted(changes):
        now[device] = size
        peak = max(peak, sum(now.values()))
    return peak
