"""Cuts against brute force over all cuts, and against published heuristics."""

import random
from itertools import combinations
from itertools import pairwise

import pytest

from tfmodels.errors import ConfigError
from trainers.strategies.pipeline.balance import balance


def sums(costs: list[int], sizes: tuple[int, ...]) -> list[int]:
    ends = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    return [sum(costs[start:end]) for start, end in pairwise(ends)]


def all_cuts(num_layers: int, num_stages: int) -> list[tuple[int, ...]]:
    return [
        tuple(end - start for start, end in pairwise((0, *cuts, num_layers)))
        for cuts in combinations(range(1, num_layers), num_stages - 1)
    ]


@pytest.mark.parametrize(
    ("costs", "stages", "variance", "slowest"),
    [
        ([1] * 8, 4, (2, 2, 2, 2), None),
        ([5, 1, 1, 1, 1, 1], 3, (1, 2, 3), None),
        ([1, 2, 3, 4, 5, 6], 3, (3, 2, 1), None),
        ([4, 1, 1, 1, 1, 8, 1, 1], 3, (1, 4, 3), (5, 1, 2)),
        ([10, 1, 1, 1], 2, (1, 3), None),
        ([2, 9, 1, 1, 1, 6, 3, 1, 1, 7], 4, (2, 4, 3, 1), None),
        ([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 9], 4, (5, 2, 3, 2), None),
    ],
)
def test_worked_examples(
    costs: list[int],
    stages: int,
    variance: tuple[int, ...],
    slowest: tuple[int, ...] | None,
) -> None:
    assert balance(costs, stages, "variance") == variance
    assert balance(costs, stages) == (slowest or variance)


@pytest.mark.parametrize("seed", range(200))
def test_no_cut_is_better(seed: int) -> None:
    draw = random.Random(seed)
    num_layers = draw.randint(1, 11)
    stages = draw.randint(1, num_layers)
    costs = [draw.randint(0, 9) for _ in range(num_layers)]
    cuts = all_cuts(num_layers, stages)

    def squares(sizes: tuple[int, ...]) -> int:
        return sum(total**2 for total in sums(costs, sizes))

    assert balance(costs, stages, "variance") == min(
        cuts, key=lambda sizes: (squares(sizes), sizes)
    )
    assert balance(costs, stages) == min(
        cuts, key=lambda sizes: (max(sums(costs, sizes)), squares(sizes), sizes)
    )


def test_sending_counts_where_it_is_slower_than_working() -> None:
    assert balance([1, 1, 1, 1], 2) == (2, 2)
    assert balance([1, 1, 1, 1], 2, traffic=[0, 9, 0, 0]) == (1, 3)


def test_a_memory_cap_excludes_cuts() -> None:
    bytes_per_layer = [8, 1, 1, 1, 1, 1]

    def memory(stage: int, start: int, end: int) -> int:
        return sum(bytes_per_layer[start:end])

    costs = [1, 1, 1, 1, 1, 1]
    assert balance(costs, 2) == (3, 3)
    assert balance(costs, 2, memory=memory, memory_cap=9) == (2, 4)
    with pytest.raises(ConfigError, match="Expected at least 8 bytes; received 7"):
        balance(costs, 2, memory=memory, memory_cap=7)


@pytest.mark.parametrize("stages", [0, 4])
def test_every_stage_needs_a_layer(stages: int) -> None:
    with pytest.raises(ConfigError, match=rf"strategy\.stages.*1 to 3.* {stages}"):
        balance([1, 1, 1], stages)
