"""The pipeline strategy: a model cut into stages that work at the same time."""

from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import ExitStack
from functools import reduce
from typing import Any

import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Objective
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.interfaces import Totals
from trainers.optimizers.averages import build_average
from trainers.optimizers.config import NoAverage
from trainers.optimizers.factory import num_slots
from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.averages import PipelineAverage
from trainers.strategies.pipeline.devices import open_placement
from trainers.strategies.pipeline.flow import Flow
from trainers.strategies.pipeline.flow import split
from trainers.strategies.pipeline.layout import Layout
from trainers.strategies.pipeline.part import PartRun
from trainers.strategies.pipeline.partition import make_partitioning
from trainers.strategies.pipeline.partition import micro_batch_rows
from trainers.strategies.pipeline.partition import training_schedule
from trainers.strategies.pipeline.placement import give_value
from trainers.strategies.pipeline.placement import without_values
from trainers.strategies.pipeline.schedules import forward_only
from trainers.strategies.pipeline.segments import kept_items
from trainers.strategies.pipeline.segments import segments
from trainers.strategies.pipeline.sequence import LayerSequence
from trainers.strategies.pipeline.trainable import PipelineTrainable
from trainers.totals import add_totals
from trainers.totals import sum_totals


class Pipeline:
    """Stages on devices of one machine, of remote workers or of a TPU.

    One process drives all of them: what it traces names the devices (GPipe, arXiv
    1811.06965; US11232356B2).
    """

    is_chief = True

    def __init__(self, config: PipelineConfig, run: RunConfig) -> None:
        """Opens the devices; nothing is built yet.

        Raises:
          ConfigError: the devices are not there, or keys exclude each other.
        """
        if run.accumulation > 1:
            raise ConfigError(
                "run.accumulation: a pipeline sums over its micro-batches already."
                f" Expected 1; received {run.accumulation}. Raise strategy.microbatches"
                " instead."
            )
        if run.xla and config.traced_inline:
            raise ConfigError(
                "run.xla: a compiled stage is a function, whose operations do not stand"
                " in the graph. Expected strategy.inline: false and another"
                f" strategy.schedule than zb_h1. Received {config.inline} and"
                f" {config.schedule}, with run.xla: true."
            )
        self._config = config
        self._run = run
        self._schedule = training_schedule(config)
        # TensorFlow would rewrite sums up to the cuts: rounding would depend on these.
        # It would also look through a stage again wherever that is called: the first
        # step of a large network takes longer by half for it, and no later one less.
        tf.config.optimizer.set_experimental_options(
            {"arithmetic_optimization": False, "function_optimization": False}
        )
        with ExitStack() as connections:
            self._placement = open_placement(config, connections)
            self._connections = connections.pop_all()

    def build(self, stages: Sequence[Stage]) -> Placed:
        """Builds the model of a run, each part on its device, without a copy elsewhere.

        Raises:
          ConfigError: the batch or the model cannot be cut so often, or cannot be cut.
        """
        config = self._config
        rows = max(micro_batch_rows(config, each.task.batch_size) for each in stages)
        sequence = LayerSequence(without_values(stages[0].task.build_model))
        _check_layers(sequence)
        slots = max(num_slots(stage.optimizer) for stage in stages)
        slots += not isinstance(self._run.average, NoAverage)
        boundaries = make_partitioning(sequence, config, rows, slots).boundaries
        kept = kept_items(sequence, config.keep)
        cut = tuple(segments(kept, each.begin, each.end) for each in boundaries)
        self._layout = Layout(self._placement, sequence, cut)
        averages = []
        for device, variables in enumerate(self._layout.owned):
            with self._placement.scope(device):
                for variable in variables:
                    give_value(variable)
                averages.append(
                    build_average(self._run.average, variables, stages[-1].end)
                )
        return Placed(sequence.model, PipelineAverage(self._placement, averages))

    def prepare(self, placed: Placed, stage: Stage, start: int) -> PipelineTrainable:
        """Makes the model trainable by a stage, from step `start` of the run on.

        Raises:
          ConfigError: the objective needs the whole model.
        """
        _check_objective(stage.objective)
        data = stage.batches(start=start - stage.start)
        return PipelineTrainable(
            self._layout,
            self._schedule,
            self._config.traced_inline,
            placed,
            stage,
            self._run,
            data,
        )

    def evaluator(self, placed: Placed, stage: Stage) -> Callable[[str], Totals]:
        """A function that sums a stage's metrics and loss over a split."""
        layout, config = self._layout, self._config
        programs = layout.programs(stage.task, stage.objective, True, self._run.xla)
        tasks = forward_only(config.stages, config.microbatches, config.chunks)

        @tf.function(autograph=False)
        def step(batch: Batch) -> Totals:
            batches = split(batch, config.microbatches, config.replicas)
            runs = [
                [
                    PartRun(program, *layout.variables(number, replica, program))
                    for replica in range(config.replicas)
                ]
                for number, program in enumerate(programs)
            ]
            Flow(layout, programs, tasks, runs).trace(
                batches, layout.inputs(stage.task, batches)
            )
            return reduce(add_totals, (part for run in runs[-1] for part in run.totals))

        def evaluate(split: str) -> Totals:
            return sum_totals(step, stage.task.dataset(split))

        return evaluate

    def gather(self, number: int) -> list[int]:
        """This process is alone."""
        return [number]

    def close(self) -> None:
        """Watches the workers no longer."""
        self._connections.close()


def _check_layers(sequence: LayerSequence) -> None:
    """A layer's states after a micro-batch are those after its only use in it."""
    uses = Counter(node.operation for item in sequence.items for node in item.nodes)
    for layer, count in uses.items():
        if count > 1 and getattr(layer, "non_trainable_variables", None):
            raise ConfigError(
                f"strategy: layer {layer.name!r} keeps a state, such as moving moments"
                " or a random one. Expected a single use of it in the model, or"
                f" strategy.kind: data_parallel. Received {count} uses."
            )


def _check_objective(objective: Any) -> None:
    if type(objective).loss_with_model is not Objective.loss_with_model:
        raise ConfigError(
            "strategy: an objective that searches or samples needs the whole model on"
            " one device. Expected one that takes the model's outputs alone, or"
            f" strategy.kind: data_parallel. Received {type(objective).__name__}."
        )
