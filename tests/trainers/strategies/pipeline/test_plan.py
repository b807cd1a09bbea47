"""Plans against published bubbles, speed-ups and sizes."""

import json
from typing import Any

import keras
import pytest

import tfmodels
from tfmodels.errors import ConfigError
from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.placement import without_values
from trainers.strategies.pipeline.plan import Plan
from trainers.strategies.pipeline.plan import make_plan

DIM = 16


def stack() -> keras.Model:
    """Eight equal layers."""
    x = read = keras.Input((DIM,))
    for number in range(8):
        x = keras.layers.Dense(DIM, use_bias=False, name=f"dense{number}")(x)
    return keras.Model(read, {"y": x}, name="stack")


def plan(batch_size: int = 16, **values: Any) -> Plan:
    settings = PipelineConfig.parse(values)
    return make_plan(without_values(stack), settings, batch_size, num_slots=2)


@pytest.mark.parametrize(
    ("stages", "micro", "bubble"),
    # Of total time: (K - 1) / (M + K - 1), arXiv 1811.06965, section 2.3.
    [(2, 4, 1 / 5), (4, 4, 3 / 7), (4, 8, 3 / 11), (1, 4, 0), (4, 1, 3 / 4)],
)
@pytest.mark.parametrize("name", ["gpipe", "1f1b"])
def test_published_bubbles(name: str, stages: int, micro: int, bubble: float) -> None:
    found = plan(stages=stages, microbatches=micro, schedule=name)
    assert found.bubble == pytest.approx(bubble)
    # Equal stages: K M / (M + K - 1).
    assert found.speed_up == pytest.approx(stages * (1 - bubble))
    assert {stage.share for stage in found.stages} == {1 / stages}


def test_operations_and_makespan() -> None:
    found = plan(stages=2, microbatches=4)
    forward = 4 * 2 * 4 * DIM * DIM  # four layers, four examples
    assert [stage.forward for stage in found.stages] == [forward, forward]
    assert found.makespan == 5 * 3 * forward
    assert found.one_device == 4 * 2 * 3 * forward
    assert (found.unit, found.rows, found.parameters) == ("operations", 4, 8 * DIM**2)
    # One boundary, forward and backward, independent of the number of micro-batches.
    assert found.traffic == 2 * 16 * DIM * 4
    assert found.traffic == plan(stages=2, microbatches=8).traffic


def test_recomputation_takes_a_third_more_and_holds_less() -> None:
    never = plan(stages=2, microbatches=8, schedule="gpipe")
    always = plan(stages=2, microbatches=8, schedule="gpipe", rematerialize="always")
    assert always.makespan > 1.2 * never.makespan
    assert always.one_device == never.one_device
    kept, inputs = never.stages[0].residuals, never.stages[0].begun
    assert never.devices[0].activations == 8 * kept
    assert always.devices[0].activations == 7 * inputs + kept
    assert always.devices[0].variables == 4 * DIM**2 * 4 * 4


def test_what_is_kept_takes_memory_and_no_time() -> None:
    settings = {"stages": 2, "schedule": "gpipe", "rematerialize": "always"}
    always = plan(**settings)
    half = plan(**settings, keep=["dense[1256]"])
    # Of four layers, each of which keeps what it reads: the first, two kept, the last.
    row = always.stages[0].begun
    assert always.stages[0].residuals == 4 * row
    assert half.stages[0].begun == 4 * row
    assert [stage.again for stage in half.stages] == [always.stages[0].forward / 2] * 2
    middle = plan(**settings, keep=["dense0", "dense7"])
    assert [stage.begun for stage in middle.stages] == [2 * row, 3 * row]
    assert always.makespan > middle.makespan > half.makespan
    everything = plan(**settings, keep=[".*"])
    assert everything.makespan == plan(stages=2, schedule="gpipe").makespan
    assert everything.devices == plan(stages=2, schedule="gpipe").devices


def test_1f1b_holds_less_than_gpipe() -> None:
    late, early = (
        plan(stages=4, microbatches=8, schedule=name) for name in ("gpipe", "1f1b")
    )
    assert [device.peak_live for device in late.devices] == [8] * 4
    assert [device.peak_live for device in early.devices] == [4, 3, 2, 1]
    for a, b in zip(late.devices, early.devices, strict=True):
        assert a.memory > b.memory
        assert a.temporaries == b.temporaries
        assert a.variables == b.variables
    for each in (late, early):
        apart = sum(device.activations + device.temporaries for device in each.devices)
        assert apart / 2 < each.results < apart


def test_zero_bubble_and_interleaving_wait_less() -> None:
    plain = plan(stages=4, microbatches=8).bubble
    split = plan(stages=4, microbatches=8, schedule="zb_h1").bubble
    chunks = plan(stages=4, microbatches=8, schedule="interleaved_1f1b", chunks=2)
    assert split == pytest.approx(0.1111, abs=1e-4)
    assert chunks.bubble == pytest.approx(1 - 24 / 28.5)
    assert plain > chunks.bubble > split
    assert chunks.traffic == 7 / 3 * plan(stages=4, microbatches=8).traffic
    assert len(chunks.devices) == 4


def test_messages_take_time() -> None:
    free = plan(stages=2, microbatches=1)
    dear = plan(stages=2, microbatches=1, partition={"byte_cost": 0.5})
    assert dear.makespan - free.makespan == 2 * 0.5 * 16 * DIM * 4


def test_measured_seconds() -> None:
    found = plan(stages=2, microbatches=2, partition={"costs": "time"})
    assert found.unit == "seconds"
    assert 0 < found.makespan < 10
    assert all(stage.forward > 0 for stage in found.stages)
    total = 2 * sum(stage.forward + stage.backward for stage in found.stages)
    assert found.one_device == total


def test_a_plan_is_json() -> None:
    values = json.loads(json.dumps(plan(stages=2).plain()))
    assert values["bubble_of_total_time"] == pytest.approx(0.2)
    assert [stage["first"] for stage in values["stages"]] == ["dense0", "dense4"]
    assert values["devices"][0]["memory"] > values["devices"][0]["activations"] > 0


def test_impossible_plans() -> None:
    with pytest.raises(ConfigError, match=r"strategy\.microbatches"):
        plan(batch_size=3, microbatches=4)
    with pytest.raises(ConfigError, match=r"strategy\.stages"):
        plan(stages=9, microbatches=16)
    with pytest.raises(ConfigError, match=r"strategy\.chunks"):
        plan(stages=2, chunks=2)


@pytest.mark.parametrize(
    ("num_layers", "parameters"),
    [
        # Transformer-L, arXiv 1811.06965, table 1: 282.2M, 785.8M, 5.3B, 21.0B, 83.9B.
        # Layers are alike, so that the last two follow from these.
        (3, 282_182_912),
        (13, 785_765_632),
        pytest.param(103, 5_318_010_112, marks=pytest.mark.slow),
    ],
)
def test_giants_of_table_1(num_layers: int, parameters: int) -> None:
    model = without_values(lambda: tfmodels.build("transformer", num_layers=num_layers))
    settings = PipelineConfig(stages=4, microbatches=32, rematerialize="always")
    found = make_plan(model, settings, 32, num_slots=1)
    assert found.parameters == parameters
    assert sum(stage.parameters for stage in found.stages) == parameters
    # 12 bytes for each: weight, gradient, slot; 16 for each dropout's random state.
    in_all = sum(device.variables for device in found.devices)
    assert in_all == 12 * parameters + 16 * (2 * num_layers + 1)
