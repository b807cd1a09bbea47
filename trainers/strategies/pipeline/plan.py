"""What a pipeline will take in time, memory and messages, before it is built."""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any
from typing import Literal

import keras

from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.costs import item_costs
from trainers.strategies.pipeline.holdings import Holdings
from trainers.strategies.pipeline.holdings import Needs
from trainers.strategies.pipeline.holdings import holdings
from trainers.strategies.pipeline.holdings import peak_together
from trainers.strategies.pipeline.memory import Footprint
from trainers.strategies.pipeline.partition import Partitioning
from trainers.strategies.pipeline.partition import make_partitioning
from trainers.strategies.pipeline.partition import micro_batch_rows
from trainers.strategies.pipeline.partition import training_schedule
from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.schedules import Task
from trainers.strategies.pipeline.sequence import LayerSequence
from trainers.strategies.pipeline.simulation import Duration
from trainers.strategies.pipeline.simulation import Timeline
from trainers.strategies.pipeline.simulation import peak_live
from trainers.strategies.pipeline.simulation import simulate
from trainers.strategies.pipeline.stage_times import Times
from trainers.strategies.pipeline.stage_times import operations
from trainers.strategies.pipeline.stage_times import seconds

_DURATIONS = ("forward", "again", "backward")


@dataclass(frozen=True)
class StagePlan:
    """One stage, for one micro-batch on one replica."""

    device: int
    """Pipeline device that has it."""
    begin: int
    end: int
    first: str
    last: str
    """Its items: indices, and names of the first and the last."""
    parameters: int
    """Trainable numbers; those it shares with other stages included."""
    flops: int
    """Of the forward pass."""
    share: float
    """Of the forward and backward time of all stages."""
    forward: Duration
    again: Duration
    """Forward, but for what `keep` names."""
    backward: Duration
    """All three in the plan's unit of time."""
    variables: int
    """Bytes of weights, their gradients and slots, and of untrained variables."""
    residuals: int
    """Bytes that the gradient needs of what the forward pass reads and makes."""
    begun: int
    """Bytes that are held of it until it is computed again."""
    temporaries: int
    """Bytes that a task needs only while it runs."""
    gathered: int
    """Of them, those that a task with gradients gathers little by little."""
    forward_temporaries: int
    """The same of a task that makes no gradients."""
    sends: int
    """Bytes that pass to later stages over the cut behind it."""


@dataclass(frozen=True)
class DevicePlan:
    """One device of the pipeline, the same on each of its replicas."""

    peak_live: int
    """Most micro-batches, times stages, that it holds anything of."""
    variables: int
    """Bytes of variables, gradients and slots."""
    activations: int
    """Most bytes of results held at a time (arXiv 1811.06965, section 2.3)."""
    temporaries: int
    """Bytes that a task needs only while it runs."""

    @property
    def memory(self) -> int:
        """Bytes in all."""
        return self.variables + self.activations + self.temporaries


@dataclass(frozen=True)
class Plan:
    """A pipeline and what it will take."""

    partitioning: Partitioning
    stages: tuple[StagePlan, ...]
    devices: tuple[DevicePlan, ...]
    schedule: Schedule
    timeline: Timeline
    """Simulated, without the optimizer's update."""
    unit: Literal["operations", "seconds"]
    """Of all durations. A backward pass counts twice the operations of a forward."""
    parameters: int
    """Trainable numbers of the whole model."""
    rows: int
    """Examples of the largest micro-batch."""
    results: int
    """Most bytes of activations and temporary results on all devices at a time, which
    devices of one machine share."""
    traffic: int
    """Bytes that cross all cuts in a step of one replica, forward and backward."""

    @property
    def makespan(self) -> Duration:
        """Time of all micro-batches of a step."""
        return self.timeline.makespan

    @property
    def bubble(self) -> float:
        """Share of the devices' time in which they wait, relative to all of it (GPipe's
        form; Megatron's is relative to the work)."""
        return self.timeline.bubble

    @property
    def one_device(self) -> Duration:
        """Time of the same micro-batches on one device that recomputes nothing.

        Measured seconds are those of stages that work beside the others.
        """
        return self.schedule.num_micro_batches * sum(
            stage.forward + stage.backward for stage in self.stages
        )

    @property
    def speed_up(self) -> float:
        """Over one device; what is sent and scheduled can only make it less."""
        return float(Fraction(self.one_device) / Fraction(self.makespan))

    def plain(self) -> dict[str, Any]:
        """JSON-like data."""
        return {
            "unit": self.unit,
            "micro_batch": self.rows,
            "parameters": self.parameters,
            "makespan": float(self.makespan),
            "one_device": float(self.one_device),
            "speed_up": self.speed_up,
            "bubble_of_total_time": self.bubble,
            "results_bytes": self.results,
            "traffic_bytes": self.traffic,
            "stages": [
                vars(stage) | {name: float(vars(stage)[name]) for name in _DURATIONS}
                for stage in self.stages
            ],
            "devices": [
                vars(device) | {"memory": device.memory} for device in self.devices
            ],
        }


def make_plan(
    model: keras.Model, config: PipelineConfig, batch_size: int, num_slots: int
) -> Plan:
    """Cuts a model, simulates a training step and adds up what it holds.

    Nothing is computed unless ``partition.costs`` is "time": then every different item,
    and every stage, runs a few times on this machine.

    Args:
      model: a functional model with named outputs; its variables need no values.
      config: stages, schedule, partition.
      batch_size: examples of a step, over all replicas.
      num_slots: numbers that the optimizer and averages keep for each weight.

    Raises:
      ConfigError: the model cannot be cut so, or schedule and sizes do not suit.
    """
    rows = micro_batch_rows(config, batch_size)
    schedule = training_schedule(config)
    sequence = LayerSequence(model)
    measured = config.partition.costs == "time"
    costs = item_costs(sequence, rows, measured and config.partition.file is None)
    partitioning = make_partitioning(sequence, config, rows, num_slots, costs)
    footprint = Footprint(sequence, costs, rows, num_slots, config)
    times = operations(footprint, partitioning)
    if measured:
        models = [part.model for part in sequence.cut(partitioning.sizes)]
        times = seconds(models, rows, config)
    stages = _stages(footprint, partitioning, schedule, times)
    byte = 0 if config.partition.costs == "memory" else config.partition.byte_cost
    crossing = [stage.sends for stage in stages]
    timeline = simulate(
        schedule, _durations(schedule, stages), Fraction(byte) * max(crossing)
    )
    return Plan(
        partitioning=partitioning,
        stages=stages,
        devices=_devices(schedule, stages),
        schedule=schedule,
        timeline=timeline,
        unit="seconds" if measured else "operations",
        parameters=footprint.parameters(0, len(sequence.items)),
        rows=rows,
        results=_results(schedule, timeline, stages),
        traffic=2 * config.microbatches * sum(crossing),
    )


def _stages(
    footprint: Footprint, partitioning: Partitioning, schedule: Schedule, times: Times
) -> tuple[StagePlan, ...]:
    total = Fraction(sum(forward + backward for forward, backward in times)) or 1
    stages = []
    for number, (forward, backward) in enumerate(times):
        each = partitioning.boundaries[number]
        items = (each.begin, each.end)
        again = Fraction(footprint.flops_again(*items), footprint.flops(*items) or 1)
        stages.append(
            StagePlan(
                device=schedule.device(number),
                begin=each.begin,
                end=each.end,
                first=each.first,
                last=each.last,
                parameters=footprint.parameters(*items),
                flops=footprint.flops(*items),
                share=float(Fraction(forward + backward) / total),
                forward=forward,
                again=again * Fraction(forward),
                backward=backward,
                variables=footprint.variables(*items),
                residuals=footprint.residuals(*items),
                begun=footprint.begun(*items),
                temporaries=footprint.temporaries(*items),
                gathered=footprint.gathered(*items),
                forward_temporaries=footprint.forward_temporaries(*items),
                sends=footprint.crossing(each.end),
            )
        )
    return tuple(stages)


def _held(stages: Sequence[StagePlan], moment: Holdings) -> int:
    return sum(
        holding.whole * stages[number].residuals + holding.begun * stages[number].begun
        for number, holding in moment.items()
    )


def _results(
    schedule: Schedule, timeline: Timeline, stages: Sequence[StagePlan]
) -> int:
    def inside(task: Task) -> Needs:
        stage = stages[task.stage]
        if task.kind in ("F", "R"):
            return Needs(stage.forward_temporaries, stage.forward_temporaries)
        return Needs(stage.temporaries - stage.gathered // 2, stage.temporaries)

    return peak_together(schedule, timeline, partial(_held, stages), inside)


def _devices(schedule: Schedule, stages: Sequence[StagePlan]) -> tuple[DevicePlan, ...]:
    live = peak_live(schedule)
    return tuple(
        DevicePlan(
            peak_live=live[device],
            variables=sum(s.variables for s in stages if s.device == device),
            activations=max(_held(stages, moment) for moment in holdings(order)),
            temporaries=max(s.temporaries for s in stages if s.device == device),
        )
        for device, order in enumerate(schedule.orders)
    )


def _durations(
    schedule: Schedule, stages: Sequence[StagePlan]
) -> Callable[[Task], Duration]:
    """Half a backward pass is the gradient of the input where W follows."""
    split = any(task.kind == "W" for task in schedule.tasks)

    def duration(task: Task) -> Duration:
        stage = stages[task.stage]
        if task.kind == "F":
            return stage.forward
        if task.kind == "R":
            return stage.again
        return Fraction(stage.backward) / 2 if split else stage.backward

    return duration
