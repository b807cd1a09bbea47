"""Cutting a sequence of layers into stages of equal cost, exactly."""

from bisect import bisect_left
from bisect import bisect_right
from collections.abc import Callable
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import accumulate
from operator import add
from typing import Literal

from tfmodels.errors import ConfigError

Cost = int | Fraction
"""Exact, so that equal costs compare equal."""
RangeCost = Callable[[int, int, int], Cost]
"""Cost of a stage with layers ``start`` to ``end - 1``: (stage, start, end)."""
Allowed = Callable[[int, int, int], bool]
"""Whether there may be such a stage."""


def balance(
    costs: Sequence[Cost],
    num_stages: int,
    objective: Literal["max", "variance"] = "max",
    traffic: Sequence[Cost] | None = None,
    memory: RangeCost | None = None,
    memory_cap: int | None = None,
) -> tuple[int, ...]:
    """Cuts layers into stages, by dynamic programming over all cuts.

    ``max`` minimizes the cost of the slowest stage, which sets the pace of a pipeline;
    among equals the sum of squares; among equals it takes the lexicographically
    smallest sizes. ``variance`` (GPipe, arXiv 1811.06965, section 2.2) minimizes the
    sum of squares, the mean being fixed, with the same last rule.

    Args:
      costs: of each layer.
      num_stages: stages, none of them empty.
      objective: what to minimize.
      traffic: time to send on the output of each layer, in the unit of `costs`; a
        stage then costs the larger of its work and the sending of its output.
      memory: bytes that a stage needs, in a place and with a range of layers.
      memory_cap: most bytes a stage may need.

    Returns:
      Layers in each stage.

    Raises:
      ConfigError: fewer layers than stages, or no cut respects the cap; the message
        then says the smallest cap that can be met.
    """
    num_layers = len(costs)
    if not 1 <= num_stages <= num_layers:
        raise ConfigError(
            "strategy.stages: every stage needs a layer. Expected 1 to"
            f" {num_layers}, the places where the model can be cut plus one; received"
            f" {num_stages}."
        )
    sums = [0, *accumulate(costs)]
    cutter = partial(_cut, sums, num_stages)

    def work(stage: int, start: int, end: int) -> Cost:
        total = sums[end] - sums[start]
        return max(total, traffic[end - 1]) if traffic and end < num_layers else total

    def square(stage: int, start: int, end: int) -> Cost:
        return work(stage, start, end) ** 2

    fits: Allowed = _everywhere
    if memory is not None and memory_cap is not None:
        fits = _within(memory, memory_cap)
    limit = sums[-1]
    if objective == "max":
        # A cut below this exists, unless traffic or memory forbid it.
        bound = sums[-1] // num_stages + max(costs) + 1
        found = cutter(work, max, fits, bound)
        while bound < sums[-1] and (found is None or found[0] > bound):
            bound *= 2
            found = cutter(work, max, fits, bound)
        if found is not None:
            limit = found[0]
            fits = _both(fits, _within(work, limit))
    best = cutter(square, add, fits, limit)
    if best is not None:
        return best[1]
    # Without a cap there always is a cut.
    least = cutter(memory or work, max, _everywhere, sums[-1])
    raise ConfigError(
        f"strategy.partition.memory_cap: no cut into {num_stages} stages fits. Expected"
        f" at least {least[0] if least else 0} bytes; received {memory_cap}. Raise it,"
        " or use more stages or strategy.rematerialize: always."
    )


def _everywhere(stage: int, start: int, end: int) -> bool:
    return True


def _within(cost: RangeCost, bound: Cost) -> Allowed:
    return lambda *at: cost(*at) <= bound


def _both(first: Allowed, second: Allowed) -> Allowed:
    return lambda *at: second(*at) and first(*at)


def _cut(
    sums: Sequence[Cost],
    num_stages: int,
    cost: RangeCost,
    combine: Callable[[Cost, Cost], Cost],
    allowed: Allowed,
    limit: Cost,
) -> tuple[Cost, tuple[int, ...]] | None:
    """The least combined cost of all cuts, and the smallest sizes that have it.

    Stages whose layers cost more than `limit` are left out. With a limit near the mean
    there are few of the others: O(num_layers ** 2), or less, in place of
    O(num_stages * num_layers ** 2).
    """
    num_layers = len(sums) - 1
    rest: dict[int, tuple[Cost, tuple[int, ...]]] = {num_layers: (0, ())}
    for stage in reversed(range(num_stages)):
        found: dict[int, tuple[Cost, tuple[int, ...]]] = {}
        # What is before the stage, and what is from it on, must suit so many stages.
        first = bisect_left(sums, sums[-1] - (num_stages - stage) * limit)
        last = bisect_right(sums, stage * limit)
        for start in range(max(stage, first), min(num_layers, last)):
            choices = [
                (combine(cost(stage, start, end), rest[end][0]), end)
                for end in range(start + 1, bisect_right(sums, sums[start] + limit))
                if end in rest and allowed(stage, start, end)
            ]
            if choices:
                # Ends order equal costs as sizes do.
                value, end = min(choices)
                found[start] = (value, (end - start, *rest[end][1]))
        rest = found
    return rest.get(0)
