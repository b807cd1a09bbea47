"""Bytes that runs of items need on a device: variables, and results that are kept."""

from collections import defaultdict
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import accumulate
from math import prod

import keras
import tensorflow as tf

from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.balance import RangeCost
from trainers.strategies.pipeline.costs import writes
from trainers.strategies.pipeline.graph_costs import ItemCost
from trainers.strategies.pipeline.graph_costs import num_bytes
from trainers.strategies.pipeline.holdings import Holding
from trainers.strategies.pipeline.holdings import holdings
from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.segments import kept_items
from trainers.strategies.pipeline.segments import segments
from trainers.strategies.pipeline.sequence import LayerSequence


class DistinctSum:
    """Sums sizes over ranges of places; what has a size at several counts once.

    Args:
      parts: sizes by key, for each place.
    """

    def __init__(self, parts: Sequence[Mapping[Hashable, int]]) -> None:
        self._again: dict[int, list[tuple[int, int]]] = defaultdict(list)
        last: dict[Hashable, int] = {}
        firsts = []
        for place, part in enumerate(parts):
            firsts.append(sum(size for key, size in part.items() if key not in last))
            for key, size in part.items():
                for begin in range(last.get(key, place) + 1, place + 1):
                    self._again[begin].append((place, size))
                last[key] = place
        self._sums = [0, *accumulate(firsts)]

    def __call__(self, begin: int, end: int) -> int:
        """The sum over the places `begin` to `end - 1`."""
        again = self._again.get(begin, ())
        first = self._sums[end] - self._sums[begin]
        return first + sum(size for place, size in again if place < end)


class Footprint:
    """What a run of items needs, for every range of a sequence.

    Args:
      sequence: the items.
      costs: of each item.
      rows: examples in a micro-batch.
      num_slots: numbers that the optimizer and averages keep for each weight.
      config: what is kept when others are computed again, and how tasks are traced.

    Raises:
      ConfigError: what is to be kept is not there.
    """

    def __init__(
        self,
        sequence: LayerSequence,
        costs: Sequence[ItemCost],
        rows: int,
        num_slots: int,
        config: PipelineConfig,
    ) -> None:
        self._flops = [0, *accumulate(cost.flops for cost in costs)]
        self._kept = kept_items(sequence, config.keep)
        self._inline = config.traced_inline
        weights, states = _variables(sequence)
        self.parameters = DistinctSum(
            [{id(v): prod(v.shape) for v in row} for row in weights]
        )
        """Trainable numbers in the items begin to end - 1."""
        seen: set[int] = set()
        sizes: list[dict[Hashable, int]] = []
        for trained, others in zip(weights, states, strict=True):
            # A stage that borrows a weight holds a copy and its gradient.
            copies = {id(v): 2 if id(v) in seen else 2 + num_slots for v in trained}
            seen |= copies.keys()
            sizes.append(
                {id(v): _size(v) * copies.get(id(v), 1) for v in (*trained, *others)}
            )
        self.variables = DistinctSum(sizes)
        """Bytes of weights, gradients and slots, and of untrained variables."""
        self._num_items = len(costs)
        inputs = {id(tensor) for tensor in sequence.model.inputs}
        made, needed = _tensors(sequence, costs, rows)
        self.reads = DistinctSum(made)
        """Bytes of the tensors that come from other items."""
        self._inputs = DistinctSum(
            [{k: size for k, size in row.items() if k in inputs} for row in made]
        )
        self.residuals = DistinctSum(needed)
        """Bytes that the gradient needs of what the forward pass reads and makes."""
        self._temporaries = [cost.temporaries for cost in costs]
        self._postponed = [0, *accumulate(cost.postponed for cost in costs)]
        self._gradients = DistinctSum(
            [{id(v): _size(v) for v in trained} for trained in weights]
        )

    def crossing(self, place: int) -> int:
        """Bytes that pass over a cut before an item, once for all that read them."""
        total = self._num_items
        return self.reads(place, total) - self._inputs(place, total)

    def flops(self, begin: int, end: int) -> int:
        """Forward operations of one micro-batch."""
        return self._flops[end] - self._flops[begin]

    def flops_again(self, begin: int, end: int) -> int:
        """Those that are done again if the items are."""
        again = [each for each in segments(self._kept, begin, end) if not each.kept]
        return sum(self.flops(each.begin, each.end) for each in again)

    def begun(self, begin: int, end: int) -> int:
        """Bytes of one micro-batch that are held until it is computed again."""
        return sum(
            (self.residuals if each.kept else self.reads)(each.begin, each.end)
            for each in segments(self._kept, begin, end)
        )

    def activations(self, begin: int, end: int, holding: Holding) -> int:
        """Bytes of results that are held for micro-batches in flight."""
        whole, begun = self.residuals(begin, end), self.begun(begin, end)
        return holding.whole * whole + holding.begun * begun

    def temporaries(self, begin: int, end: int) -> int:
        """Bytes that a task needs only while it runs.

        What it gathers, and the results inside of one item.
        """
        inside = max(map(max, self._temporaries[begin:end]))
        return self.gathered(begin, end) + inside

    def gathered(self, begin: int, end: int) -> int:
        """Bytes that a task with gradients gathers until its end.

        Gradients of a micro-batch, until they are added to the sums. TensorFlow takes
        those of the weights last when it runs a function: what they are computed from
        is held before they are.
        """
        held = self._gradients(begin, end)
        if self._inline:
            return held
        parts = segments(self._kept, begin, end)
        late = (self._postponed[p.end] - self._postponed[p.begin] for p in parts)
        return max(held, *late)

    def forward_temporaries(self, begin: int, end: int) -> int:
        """The same of a task that makes no gradients."""
        return max(found.forward for found in self._temporaries[begin:end])

    def range_cost(self, schedule: Schedule) -> RangeCost:
        """The most bytes that a stage needs at a time under a schedule.

        With several stages on a device it is a stage's share of the bytes of a device
        whose stages all are like it.
        """
        chunks = schedule.num_stages // len(schedule.orders)
        moments = [
            {
                moment[stage]
                for moment in holdings(schedule.orders[schedule.device(stage)])
                if stage in moment
            }
            for stage in range(schedule.num_stages)
        ]

        def cost(stage: int, begin: int, end: int) -> int:
            activations = max(
                self.activations(begin, end, holding) for holding in moments[stage]
            )
            held = chunks * (self.variables(begin, end) + activations)
            return held + self.temporaries(begin, end)

        return cost


def _variables(
    sequence: LayerSequence,
) -> tuple[list[list[keras.Variable]], list[list[keras.Variable]]]:
    """The trained and the other variables of each item."""
    rows = []
    for item in sequence.items:
        layers = {
            id(node.operation): node.operation
            for node in item.nodes
            if isinstance(node.operation, keras.layers.Layer)
        }.values()
        rows.append(
            (
                [v for layer in layers for v in layer.trainable_variables],
                [v for layer in layers for v in layer.non_trainable_variables],
            )
        )
    trained, others = zip(*rows, strict=True)
    return list(trained), list(others)


def _tensors(
    sequence: LayerSequence, costs: Sequence[ItemCost], rows: int
) -> tuple[list[dict[Hashable, int]], list[dict[Hashable, int]]]:
    """Of each item: the tensors between items with their bytes, and what it keeps."""
    reads: list[dict[Hashable, int]] = []
    kept: list[dict[Hashable, int]] = []
    for item, cost, written in zip(
        sequence.items, costs, writes(sequence), strict=True
    ):
        # What is made here is not read from outside of the range.
        made: dict[Hashable, int] = {id(tensor): 0 for tensor in written}
        reads.append(made | {id(t): num_bytes(t, rows) for t in item.reads})
        needed = [
            *(item.reads[i] for i in cost.kept_reads),
            *(written[i] for i in cost.kept_writes),
        ]
        inner: dict[Hashable, int] = {("inside", len(kept)): cost.residuals}
        kept.append(inner | {id(t): num_bytes(t, rows) for t in needed})
    # The last stage computes the loss from all outputs.
    outputs: dict[Hashable, int] = {
        id(t): num_bytes(t, rows) for t in sequence.model.outputs
    }
    reads[-1] = outputs | reads[-1]
    kept[-1] |= outputs
    return reads, kept


def _size(variable: keras.Variable) -> int:
    return int(prod(variable.shape) * tf.as_dtype(variable.dtype).size)
