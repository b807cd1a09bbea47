"""What a schedule costs in time and memory, before anything is built."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.schedules import Task

Duration = int | float | Fraction
"""In any unit; exact where `Fraction`."""


@dataclass(frozen=True)
class Span:
    """When a task ran."""

    task: Task
    device: int
    start: Duration
    end: Duration


@dataclass(frozen=True)
class Timeline:
    """When every task of a schedule ran, simulated or measured."""

    spans: tuple[Span, ...]
    num_devices: int

    @property
    def makespan(self) -> Duration:
        """From the start of the first task to the end of the last."""
        return max(s.end for s in self.spans) - min(s.start for s in self.spans)

    def busy(self, device: int) -> Duration:
        """Time in which a device does tasks."""
        return sum(s.end - s.start for s in self.spans if s.device == device)

    @property
    def bubble(self) -> float:
        """Share of the devices' time in which they wait: 1 - work / (K makespan).

        Fill-drain schedules of equal stages have (K - 1) / (M + K - 1) (arXiv
        1811.06965, section 2.3). Megatron's figure is relative to the work instead.
        """
        work = sum(self.busy(device) for device in range(self.num_devices))
        return float(1 - Fraction(work) / (self.num_devices * Fraction(self.makespan)))


def simulate(
    schedule: Schedule,
    duration: Callable[[Task], Duration],
    transfer: Duration = 0,
) -> Timeline:
    """Lets every device do its tasks in order, each as early as it can.

    Args:
      schedule: the orders.
      duration: time that a task takes.
      transfer: time that a result takes to another device, which works meanwhile.
    """
    ends: dict[Task, Duration] = {}
    free: list[Duration] = [0] * len(schedule.orders)
    spans = []
    for task in schedule.executable():
        device = schedule.device(task.stage)
        ready = [
            ends[needed] + transfer * (schedule.device(needed.stage) != device)
            for needed in schedule.needs(task)
        ]
        start = max([free[device], *ready])
        ends[task] = free[device] = start + duration(task)
        spans.append(Span(task, device, start, ends[task]))
    return Timeline(tuple(spans), len(schedule.orders))


def timed(schedule: Schedule, times: np.ndarray) -> Timeline:
    """The timeline of a step that has been made.

    Args:
      schedule: its tasks.
      times: beginning and end of each, in the order of `Schedule.executable`, float64
        [tasks, 2], seconds.
    """
    start = times.min()
    spans = [
        Span(task, schedule.device(task.stage), float(begun), float(ended))
        for task, (begun, ended) in zip(
            schedule.executable(), times - start, strict=True
        )
    ]
    return Timeline(tuple(spans), len(schedule.orders))


def peak_live(schedule: Schedule) -> list[int]:
    """Most micro-batches (times chunks) a device holds results of at once.

    They are held from the forward task to the last task that needs them: the gradient
    of the weights, or of both.
    """
    peaks = []
    for order in schedule.orders:
        split = any(task.kind == "W" for task in order)
        live = peak = 0
        for task in order:
            live += task.kind == "F"
            peak = max(peak, live)
            live -= task.kind == ("W" if split else "B")
        peaks.append(peak)
    return peaks
