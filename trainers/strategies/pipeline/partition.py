"""Which items of a sequence make a stage, and which devices have it."""

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from itertools import pairwise
from pathlib import Path
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.errors import ConfigError
from trainers.files import write_atomically
from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.balance import Cost
from trainers.strategies.pipeline.balance import balance
from trainers.strategies.pipeline.costs import item_costs
from trainers.strategies.pipeline.graph_costs import ItemCost
from trainers.strategies.pipeline.memory import Footprint
from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.schedules import schedule
from trainers.strategies.pipeline.sequence import Item
from trainers.strategies.pipeline.sequence import LayerSequence

_KEY = "strategy.partition.file"


class Boundary(Config):
    """The items of one stage."""

    begin: int = pydantic.Field(ge=0)
    """Index of its first item."""
    end: int = pydantic.Field(ge=1)
    """Index after its last item."""
    first: str
    """Name of its first item."""
    last: str
    """Name of its last item."""


class Partitioning(Config):
    """A sequence cut into composite layers on devices (US11232356B2, claim 1)."""

    boundaries: tuple[Boundary, ...] = pydantic.Field(min_length=1)
    """Stage by stage: contiguous, disjoint, none empty, together all items."""
    assignment: tuple[tuple[int, ...], ...]
    """Devices of each stage, by index; several are replicas of it, and a device may
    have several stages."""

    @pydantic.model_validator(mode="after")
    def _in_one_piece(self) -> Self:
        begin = 0
        for number, (a, b) in enumerate(
            (each.begin, each.end) for each in self.boundaries
        ):
            if a != begin or b <= a:
                raise ValueError(
                    f"boundaries[{number}]: stages must follow one another, each with"
                    f" an item. Expected begin {begin} and an end beyond it. Received"
                    f" begin {a} and end {b}."
                )
            begin = b
        if len(self.assignment) != len(self.boundaries) or not all(self.assignment):
            raise ValueError(
                "assignment: every stage needs devices. Expected"
                f" {len(self.boundaries)} lists with a device or more. Received"
                f" {[list(devices) for devices in self.assignment]}."
            )
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of items of each stage."""
        return tuple(each.end - each.begin for each in self.boundaries)

    def write(self, path: Path) -> None:
        """Writes it as JSON, which `read_partitioning` reads."""
        write_atomically(path, json.dumps(self.plain(), indent=2) + "\n")


def read_partitioning(path: str | Path) -> Partitioning:
    """Reads a partitioning from a JSON file.

    Raises:
      ConfigError: there is no such file, or it is not a partitioning.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{_KEY}: cannot be read. Expected a JSON file as 'tfmodels plan --output'"
            f" writes it. Received {str(path)!r}: {error}."
        ) from None
    try:
        return Partitioning.parse(values)
    except ConfigError as error:
        raise ConfigError(f"{_KEY}: {path}: {error}") from None


def micro_batch_rows(config: PipelineConfig, batch_size: int) -> int:
    """Examples of the largest micro-batch on one replica.

    Raises:
      ConfigError: the batch has fewer examples than there are micro-batches.
    """
    parts = config.microbatches * config.replicas
    if batch_size < parts:
        raise ConfigError(
            "strategy.microbatches: every micro-batch of every replica needs an"
            f" example. Expected at most {batch_size // config.replicas} for"
            f" data.batch_size {batch_size} and {config.replicas} replicas. Received"
            f" {config.microbatches}."
        )
    return -(-batch_size // parts)


def training_schedule(config: PipelineConfig) -> Schedule:
    """The schedule that a configuration asks for."""
    return schedule(
        config.schedule,
        config.stages,
        config.microbatches,
        config.chunks,
        config.rematerialize,
    )


def make_partitioning(
    sequence: LayerSequence,
    config: PipelineConfig,
    rows: int,
    num_slots: int,
    costs: Sequence[ItemCost] | None = None,
) -> Partitioning:
    """Cuts a model as its configuration says: from a file, or balanced.

    Args:
      sequence: the model; its variables need no values.
      config: number of stages, what to balance, or the file.
      rows: examples of a micro-batch.
      num_slots: numbers that the optimizer and averages keep for each weight.
      costs: of the items, if they are known.

    Raises:
      ConfigError: more stages than items, a memory cap that cannot be met, or a file
        that does not suit the model or the configuration.
    """
    num_stages = config.stages * config.chunks
    if num_stages > len(sequence.items):
        raise ConfigError(_too_many(sequence, num_stages))
    if config.partition.file is not None:
        found = read_partitioning(config.partition.file)
        _check(found, sequence, config)
        return found
    if costs is None:
        costs = item_costs(sequence, rows, config.partition.costs == "time")
    return partitioning_of(
        sequence, _balanced(sequence, config, rows, num_slots, costs), config
    )


def partitioning_of(
    sequence: LayerSequence, sizes: Sequence[int], config: PipelineConfig
) -> Partitioning:
    """Stages of so many items each, stage s on pipeline device s mod K."""
    return Partitioning(
        boundaries=tuple(
            Boundary(
                begin=begin,
                end=end,
                first=sequence.items[begin].name,
                last=sequence.items[end - 1].name,
            )
            for begin, end in pairwise(accumulate(sizes, initial=0))
        ),
        assignment=_assignment(config),
    )


def _balanced(
    sequence: LayerSequence,
    config: PipelineConfig,
    rows: int,
    num_slots: int,
    costs: Sequence[ItemCost],
) -> tuple[int, ...]:
    settings = config.partition
    footprint = Footprint(sequence, costs, rows, num_slots, config)
    places = range(len(costs))
    work: list[Cost]
    if settings.costs == "flops":
        work = [cost.flops for cost in costs]
    elif settings.costs == "time":
        work = [Fraction(sum(cost.seconds or ())) for cost in costs]
    else:
        work = [
            footprint.variables(i, i + 1) + footprint.residuals(i, i + 1)
            for i in places
        ]
    byte = Fraction(settings.byte_cost)
    traffic = [byte * footprint.crossing(i + 1) for i in places] if byte else None
    memory = None
    if settings.memory_cap is not None:
        memory = footprint.range_cost(training_schedule(config))
    return balance(
        work,
        config.stages * config.chunks,
        settings.objective,
        traffic,
        memory,
        settings.memory_cap,
    )


def _assignment(config: PipelineConfig) -> tuple[tuple[int, ...], ...]:
    replicas = range(config.replicas)
    return tuple(
        tuple(stage % config.stages * config.replicas + replica for replica in replicas)
        for stage in range(config.stages * config.chunks)
    )


def _check(
    found: Partitioning, sequence: LayerSequence, config: PipelineConfig
) -> None:
    """Compares a file with the model and the configuration."""
    names = [item.name for item in sequence.items]
    if sum(found.sizes) != len(names):
        raise ConfigError(
            f"{_KEY}: it cuts another model. Expected {len(names)} items, those of"
            f" {sequence.model.name!r}. Received {sum(found.sizes)}."
        )
    for number, each in enumerate(found.boundaries):
        expected = (names[each.begin], names[each.end - 1])
        if (each.first, each.last) != expected:
            raise ConfigError(
                f"{_KEY}: boundaries[{number}] names other items than the model has"
                f" there. Expected {expected[0]!r} to {expected[1]!r}. Received"
                f" {each.first!r} to {each.last!r}."
            )
    if found.assignment != _assignment(config):
        raise ConfigError(
            f"{_KEY}: assignment does not suit strategy.stages {config.stages},"
            f" strategy.chunks {config.chunks} and strategy.replicas"
            f" {config.replicas}. Expected {_lists(_assignment(config))}. Received"
            f" {_lists(found.assignment)}."
        )


def _lists(assignment: Sequence[Sequence[int]]) -> str:
    return str([list(devices) for devices in assignment])


def _too_many(sequence: LayerSequence, num_stages: int) -> str:
    """Says in how many stages a model can be cut, and what keeps it from more."""
    largest = max(sequence.items, key=lambda item: len(item.nodes))
    number = len(sequence.items)
    return (
        "strategy.stages: every stage needs an item of the model, and"
        f" {sequence.model.name!r} has {number}. Expected at most {number} stages,"
        f" those of all strategy.chunks together. Received {num_stages}."
        f"{_held_together(largest)}"
    )


def _held_together(item: Item) -> str:
    """Names the tensors that skip over most of an item, so that it cannot be cut."""
    place = {id(t): i for i, node in enumerate(item.nodes) for t in node.outputs}
    spans: dict[tuple[str, str], int] = {}
    for i, node in enumerate(item.nodes):
        for tensor in node.input_tensors:
            made = place.get(id(tensor), -1)
            maker = tensor._keras_history.operation.name
            spans[maker, node.operation.name] = i - made
    longest = sorted(spans, key=lambda pair: -spans[pair])[:3]
    crossing = [f"{a!r} to {b!r}" for a, b in longest if spans[a, b] > 1]
    if not crossing:
        return ""
    return (
        f" Its largest item, which ends in {item.name!r}, cannot be cut because tensors"
        f" cross from {', '.join(crossing)}."
    )
