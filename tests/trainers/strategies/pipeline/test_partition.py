"""Partitionings: what is valid, files, and how configurations cut models."""

import json
from pathlib import Path
from typing import Any

import keras
import pytest

import tfmodels
from tfmodels.errors import ConfigError
from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.costs import item_costs
from trainers.strategies.pipeline.graph_costs import ItemCost
from trainers.strategies.pipeline.graph_costs import Temporaries
from trainers.strategies.pipeline.partition import Partitioning
from trainers.strategies.pipeline.partition import make_partitioning
from trainers.strategies.pipeline.partition import micro_batch_rows
from trainers.strategies.pipeline.partition import partitioning_of
from trainers.strategies.pipeline.partition import read_partitioning
from trainers.strategies.pipeline.placement import without_values
from trainers.strategies.pipeline.sequence import LayerSequence

WIDTHS = (8, 8, 64, 8, 8)


def chain() -> LayerSequence:
    def build() -> keras.Model:
        x = read = keras.Input((8,))
        for number, width in enumerate(WIDTHS):
            x = keras.layers.Dense(width, use_bias=False, name=f"dense{number}")(x)
        return keras.Model(read, {"y": x}, name="chain")

    return LayerSequence(without_values(build))


def config(**values: Any) -> PipelineConfig:
    return PipelineConfig.parse(values)


def cut(**values: Any) -> Partitioning:
    return make_partitioning(chain(), config(**values), rows=2, num_slots=2)


def test_a_chain_is_balanced() -> None:
    # Operations in units of 8 * 8: 1, 1, 8, 8, 1.
    found = cut(stages=2)
    assert found.sizes == (3, 2)
    assert [(each.first, each.last) for each in found.boundaries] == [
        ("dense0", "dense2"),
        ("dense3", "dense4"),
    ]
    assert found.assignment == ((0,), (1,))
    assert cut(stages=4).sizes == (2, 1, 1, 1)


def test_replicas_and_chunks_are_assigned() -> None:
    found = cut(stages=2, chunks=2, schedule="interleaved_1f1b", replicas=2)
    assert found.assignment == ((0, 1), (2, 3), (0, 1), (2, 3))


def test_bytes_can_be_balanced_in_place_of_operations() -> None:
    # Variables: 64 * (1, 1, 8, 8, 1) numbers, the same proportions.
    assert cut(stages=2, partition={"costs": "memory"}).sizes == (3, 2)


def test_measured_seconds_can_be_balanced() -> None:
    found = cut(stages=2, partition={"costs": "time"})
    assert sum(found.sizes) == 5


def test_a_dear_message_moves_the_cut() -> None:
    # The output of dense2 is eight times as wide as the others: a cut behind it costs
    # 2 * 64 * 4 bytes, which a byte cost of 100 makes the slowest of all.
    found = cut(stages=2, partition={"byte_cost": 100})
    assert found.sizes != (3, 2)


def test_more_stages_than_items() -> None:
    with pytest.raises(
        ConfigError, match=r"strategy\.stages: .*at most 5 stages.*Received 6\.$"
    ):
        cut(stages=6)
    with pytest.raises(ConfigError, match=r"at most 5 stages.*Received 6\."):
        cut(stages=3, chunks=2, schedule="interleaved_1f1b", microbatches=3)


def test_a_model_that_is_no_chain_names_what_crosses() -> None:
    def build() -> keras.Model:
        read = keras.Input((4,), name="x")
        trunk = keras.layers.Dense(4, name="trunk")(read)
        x = trunk
        for number in range(4):
            x = keras.layers.Dense(4, name=f"dense{number}")(x)
            x = keras.layers.Concatenate(name=f"with_input{number}")([x, read])
        return keras.Model(read, {"y": keras.layers.Add(name="sum")([x, x])})

    with pytest.raises(ConfigError, match=r"tensors cross from .*'x' to 'with_input3'"):
        make_partitioning(LayerSequence(without_values(build)), config(stages=8), 2, 2)


def test_a_cap_that_nobody_can_meet() -> None:
    with pytest.raises(ConfigError, match=r"at least (\d+) bytes; received 100\.") as e:
        cut(stages=2, partition={"memory_cap": 100})
    least = int(str(e.value).split("at least ")[1].split()[0])
    assert sum(cut(stages=2, partition={"memory_cap": least}).sizes) == 5
    with pytest.raises(ConfigError, match=f"at least {least} bytes"):
        cut(stages=2, partition={"memory_cap": least - 1})


def test_a_cap_moves_the_cut() -> None:
    # A million bytes are kept in dense1. Stage 0 holds two micro-batches, stage 1 one.
    costs = [
        ItemCost(1, 10**6 * (i == 1), (), (), Temporaries(0, 0), 0, None)
        for i in range(5)
    ]
    for cap, sizes in ((None, (2, 3)), (1_500_000, (1, 4))):
        settings = config(stages=2, partition={"memory_cap": cap})
        assert make_partitioning(chain(), settings, 2, 2, costs).sizes == sizes


def test_file_round_trip(tmp_path: Path) -> None:
    found = partitioning_of(chain(), (1, 4), config(stages=2))
    path = tmp_path / "new" / "partition.json"
    found.write(path)
    assert read_partitioning(path) == found
    assert cut(stages=2, partition={"file": str(path)}) == found


GOOD = partitioning_of(chain(), (1, 4), config(stages=2)).plain()


def boundaries(*ranges: tuple[int, int]) -> dict[str, Any]:
    names = [f"dense{number}" for number in range(6)]
    return {
        "boundaries": [
            {"begin": a, "end": b, "first": names[a], "last": names[b - 1]}
            for a, b in ranges
        ],
        "assignment": [[i] for i in range(len(ranges))],
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"boundaries: missing"),
        ({**GOOD, "extra": 1}, r"extra: unknown key"),
        (boundaries((0, 2), (3, 5)), r"boundaries\[1\].*begin 2.*begin 3"),
        (boundaries((0, 3), (2, 5)), r"boundaries\[1\].*begin 3.*begin 2"),
        (boundaries((0, 2), (2, 2)), r"boundaries\[1\].*end beyond"),
        (boundaries((1, 2), (2, 5)), r"boundaries\[0\].*begin 0"),
        (boundaries((0, 2), (2, 4)), r"Expected 5 items.*Received 4"),
        (boundaries((0, 2), (2, 6)), r"Expected 5 items.*Received 6"),
        (boundaries((0, 2), (2, 3), (3, 5)), r"assignment .*strategy\.stages 2"),
        ({**GOOD, "assignment": [[0]]}, r"assignment: every stage needs"),
        ({**GOOD, "assignment": [[0], []]}, r"assignment: every stage needs"),
        ({**GOOD, "assignment": [[1], [0]]}, r"Expected \[\[0\], \[1\]\]"),
        ({**GOOD, "boundaries": [{**b, "last": "x"} for b in GOOD["boundaries"]]},
         r"boundaries\[0\] names other items.*'dense0' to 'x'"),
        ([1], r"a mapping"),
    ],
)  # fmt: skip
def test_bad_files(values: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "partition.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=rf"(?s)strategy\.partition\.file.*{message}"):
        cut(stages=2, partition={"file": str(path)})


@pytest.mark.parametrize("text", [None, "{", "\xff"])
def test_files_that_are_none(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "partition.json"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"strategy\.partition\.file: cannot be read"):
        read_partitioning(path)


def test_rows_of_the_largest_micro_batch() -> None:
    assert micro_batch_rows(config(microbatches=4), 10) == 3
    assert micro_batch_rows(config(microbatches=4, replicas=2), 64) == 8
    with pytest.raises(ConfigError, match=r"strategy\.microbatches.*at most 3"):
        micro_batch_rows(config(microbatches=4), 3)


def test_amoebanet_has_stages_of_similar_cost() -> None:
    model = without_values(
        lambda: tfmodels.build(
            "amoebanet", input_shape=[64, 64, 3], num_layers=3, num_filters=16
        )
    )
    sequence = LayerSequence(model)
    costs = item_costs(sequence, 2)
    for stages in (2, 3):
        found = make_partitioning(sequence, config(stages=stages), 2, 2, costs)
        works = [
            sum(cost.flops for cost in costs[each.begin : each.end])
            for each in found.boundaries
        ]
        # No cut is better by more than the largest item.
        largest = max(cost.flops for cost in costs)
        assert max(works) <= sum(works) / stages + largest
        assert len(sequence.cut(found.sizes)) == stages
