"""What lies where: stages, their devices, the owners of variables."""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from itertools import chain
from itertools import pairwise
from typing import Any

import keras
import tensorflow as tf

from trainers.interfaces import Batch
from trainers.interfaces import Objective
from trainers.interfaces import Outputs
from trainers.interfaces import Task
from trainers.interfaces import Totals
from trainers.strategies.pipeline.placement import Placement
from trainers.strategies.pipeline.program import PartProgram
from trainers.strategies.pipeline.segments import Segment
from trainers.strategies.pipeline.sequence import LayerSequence
from trainers.strategies.pipeline.sequence import Part


@dataclass(frozen=True)
class Layout:
    """A model that is cut; stage s lies on pipeline device s mod K."""

    placement: Placement
    sequence: LayerSequence
    stages: tuple[tuple[Segment, ...], ...]

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Those of all stages."""
        return tuple(chain.from_iterable(self.stages))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The segments as models."""
        sizes = [each.end - each.begin for each in self.segments]
        return tuple(self.sequence.cut(sizes))

    @cached_property
    def numbers(self) -> tuple[range, ...]:
        """The numbers of each stage's parts."""
        ends = accumulate((len(stage) for stage in self.stages), initial=0)
        return tuple(range(begin, end) for begin, end in pairwise(ends))

    def device(self, part: int) -> int:
        """The pipeline device that holds a part."""
        stage = next(i for i, numbers in enumerate(self.numbers) if part in numbers)
        return stage % len(self.placement.devices)

    @cached_property
    def owned(self) -> tuple[tuple[keras.Variable, ...], ...]:
        """The variables of each device; those of several parts belong to the first."""
        owned: list[dict[int, keras.Variable]] = [{} for _ in self.placement.devices]
        for number, part in enumerate(self.parts):
            for variable in part.model.variables:
                if not any(id(variable) in others for others in owned):
                    owned[self.device(number)][id(variable)] = variable
        return tuple(tuple(variables.values()) for variables in owned)

    @cached_property
    def owner(self) -> dict[int, int]:
        """The device that owns a variable, by identity."""
        return {
            id(variable): device
            for device, variables in enumerate(self.owned)
            for variable in variables
        }

    def variables(
        self, part: int, replica: int, program: PartProgram
    ) -> tuple[Callable[[], list[tf.Tensor]], list[tf.Tensor]]:
        """A function that reads a part's weights for a replica, and its states now."""
        states = self._reader(part, replica, program.states)()
        # Replicas draw different numbers from the same state.
        own = [
            state + tf.constant([replica, 0], state.dtype)
            if replica and variable.path.endswith("seed_generator_state")
            else state
            for variable, state in zip(program.states, states, strict=True)
        ]
        return self._reader(part, replica, program.weights), own

    def _reader(
        self, part: int, replica: int, variables: Sequence[keras.Variable]
    ) -> Callable[[], list[tf.Tensor]]:
        device = self.device(part)
        sources: list[Any] = []
        for variable in variables:
            owner = self.owner[id(variable)]
            copy = self.placement.copies(owner, variable)[replica]
            # One that lies elsewhere is fetched only once, here.
            with tf.device(self.placement.devices[device][replica]):
                sources.append(copy if owner == device else tf.identity(copy))
        return lambda: [tf.convert_to_tensor(source) for source in sources]

    def programs(
        self, task: Task, objective: Objective, nested: bool, xla: bool
    ) -> list[PartProgram]:
        """The parts' forward passes, with the loss in the last one.

        Args:
          task: gives inputs and metrics.
          objective: gives the loss, from the outputs alone.
          nested: see `PartProgram`.
          xla: see `PartProgram`.
        """

        def finish(
            outputs: Outputs, batch: Batch, training: bool
        ) -> tuple[tf.Tensor, Totals]:
            def computed(inputs: Any, training: bool) -> Outputs:
                return outputs

            loss, found = objective.loss_with_model(task, computed, batch, training)
            totals = {"loss": (loss.total, loss.weight), **loss.terms}
            return loss.total, {**totals, **task.metrics(found, batch)}

        *others, last = self.parts
        return [
            *(PartProgram(part, nested=nested, xla=xla) for part in others),
            PartProgram(last, self.sequence.outputs, finish, nested=nested, xla=xla),
        ]

    def inputs(
        self, task: Task, batches: Sequence[Sequence[Batch]]
    ) -> list[list[dict[int, tf.Tensor]]]:
        """The model's inputs by number, of [micro-batches][replicas]."""
        return [[self._inputs(task, batch) for batch in row] for row in batches]

    def _inputs(self, task: Task, batch: Batch) -> dict[int, tf.Tensor]:
        values = task.inputs(batch)
        if isinstance(values, dict):
            values = [values[tensor.name] for tensor in self.sequence.model.inputs]
        return dict(zip(self.sequence.inputs, tf.nest.flatten(values), strict=True))
