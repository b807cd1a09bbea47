"""The harness of the pipeline benchmarks, at sizes that say nothing about speed."""

import os

import pytest

from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tools.benchmark.pipeline_model import Sizes
from tools.benchmark.pipeline_model import pipeline_rival
from tools.benchmark.pipeline_peer import pipeline_peer
from tools.benchmark.pipeline_speed import pipeline_speed
from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import two_cores
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version

TINY = Sizes(
    num_layers=2,
    model_dim=16,
    num_heads=2,
    feed_forward_dim=32,
    symbols=8,
    length=3,
    batch_size=8,
    microbatches=4,
)
ECHO = """
import json, os, sys
from tools.benchmark.rivals import answers
output = answers()
print("not an answer")
print(json.dumps({"cores": list(os.sched_getaffinity(0))}), file=output)
for line in sys.stdin:
    print(json.dumps({"twice": 2 * json.loads(line)["number"]}), file=output)
"""

several_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="needs two cores"
)


def test_a_rival_answers_on_its_cores() -> None:
    core = max(os.sched_getaffinity(0))
    with Rival(["-c", ECHO], [core]) as rival:
        assert rival.answer() == {"cores": [core]}
        assert rival.ask(number=3) == {"twice": 6}
        assert rival.ask(number=4) == {"twice": 8}


def test_a_rival_that_ends_is_reported() -> None:
    with (
        Rival(["-c", "raise SystemExit(7)"], [0]) as rival,
        pytest.raises(CheckFailed, match="code 7"),
    ):
        rival.answer()


@pytest.mark.slow
def test_a_rival_trains_and_plans() -> None:
    with pipeline_rival(TINY, two_cores(), stages=2, schedule="zb_h1") as rival:
        rival.answer()
        trained, plan = rival.ask(steps=2), rival.ask(plan="time")
    assert trained["tasks"].keys() == {"F", "B", "W"}
    assert 0 < trained["makespan"] < trained["seconds"]
    assert plan["micro_batch"] == TINY.batch_size / TINY.microbatches
    assert len(plan["devices"]) == 2
    assert plan["unit"] == "seconds"


def test_without_pytorch() -> None:
    for interpreter in ("/no/such/python", "/bin/false"):
        with pytest.raises(ConfigError, match="pip install torch"):
            torch_version(interpreter)


@pytest.mark.slow
@several_cores
def test_speed() -> None:
    found = pipeline_speed(1, 1, TINY, schedules=("interleaved_1f1b",))
    assert found["ideal"] == 4 / 5
    for name, efficiency in found["efficiency"].items():
        assert efficiency > 0
        assert found["makespan_milliseconds"][name] > 0
        assert found["planned_milliseconds"][name] > 0


@pytest.mark.slow
@several_cores
def test_peer() -> None:
    try:
        torch_version(torch_python())
    except ConfigError:
        pytest.skip("no PyTorch")
    found = pipeline_peer(rounds=1, num_steps=1, sizes=TINY)
    assert found["remote_over_one_micro_batch"] > 0
    assert found["remote_over_torch"] > 0
