"""`tfmodels plan` for people and for files."""

import json
from pathlib import Path

import pytest
from matplotlib.image import imread

from tests.tools.conftest import Command
from tools.plan import plan_of
from trainers.configuration import load_experiment
from trainers.strategies.pipeline.plan import Plan

PIPELINE = "strategy={kind: pipeline, stages: 2}"


def planned(overrides: list[str]) -> Plan:
    experiment = load_experiment("gpipe/tiny", overrides)
    return plan_of(experiment, experiment.strategy)


def test_plan_of_the_sorting_model(
    tfmodels: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "plan"
    code, out, _ = tfmodels("plan", "gpipe/tiny", "--set", PIPELINE, "--output", folder)
    assert code == 0
    assert "403,922" in out  # its published size
    assert "0 |F0" in out
    assert "4 micro-batches of 16" in out
    assert "wait 20." in out  # (K - 1) / (M + K - 1) and a little
    assert sorted(file.name for file in folder.iterdir()) == [
        "partition.json",
        "plan.json",
        "timeline.json",
        "timeline.png",
    ]
    written = json.loads((folder / "plan.json").read_text())
    assert written["parameters"] == 403_922
    events = json.loads((folder / "timeline.json").read_text())["traceEvents"]
    assert sum(event["ph"] == "X" for event in events) == 2 * 2 * 4
    assert imread(folder / "timeline.png").std() > 0

    file = f"strategy.partition.file={folder / 'partition.json'}"
    again = planned([PIPELINE, file])
    assert again.partitioning.plain() == json.loads(
        (folder / "partition.json").read_text()
    )


def test_adam_and_an_average_take_memory() -> None:
    plain = planned([PIPELINE])
    averaged = planned([PIPELINE, "run.average={kind: exponential, decay: 0.9}"])
    weights = [stage.parameters for stage in plain.stages]
    for number, device in enumerate(plain.devices):
        # Weight, gradient, two moments; dropouts of rate 0 have no seeds.
        assert device.variables == 16 * weights[number]
        assert averaged.devices[number].variables == 20 * weights[number]


def test_only_pipelines_are_planned(tfmodels: Command) -> None:
    code, _, message = tfmodels("plan", "googlenet/tiny")
    assert code == 2
    assert "strategy.kind" in message
    assert "data_parallel" in message


def test_an_output_that_cannot_be_written(tfmodels: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, message = tfmodels(
        "plan", "gpipe/tiny", "--set", PIPELINE, "--output", tmp_path / "file"
    )
    assert code == 3
    assert "Cannot write" in message
