"""A whole run with a pipeline: what its folder holds, and that it goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

import trainers
from tests.trainers.pipelined import SORT
from tests.trainers.small import assert_same_state
from tfmodels.errors import Preempted
from trainers import training


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of 20 steps."""
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "sort.yaml").write_text(SORT)
    trainers.train(folder / "sort.yaml", folder / "run")
    return folder / "run"


def test_the_logs_tell_how_busy_the_stages_are(finished: Path) -> None:
    lines = [
        json.loads(s) for s in (finished / "metrics.jsonl").read_text().splitlines()
    ]
    logged = [line for line in lines if any("pipeline/bubble" in key for key in line)]
    assert [line["step"] for line in logged] == [5, 10, 15, 20]
    for line in logged:
        figures = {
            k.split("pipeline/")[1]: v for k, v in line.items() if "pipeline/" in k
        }
        assert 0 < figures["bubble"] < 1
        for stage in range(2):
            assert figures[f"busy_seconds_{stage}"] > 0
            assert figures[f"gradient_norm_{stage}"] > 0
    metrics = json.loads((finished / "metrics.json").read_text())
    assert {"test/token_accuracy", "test/sequence_accuracy"} <= metrics.keys()


def test_the_timeline_is_drawn(finished: Path) -> None:
    pictures = [path.name for path in (finished / "pictures").iterdir()]
    assert any("timeline" in name for name in pictures), pictures


def test_evaluation_gives_the_same_figures(finished: Path) -> None:
    before = json.loads((finished / "metrics.json").read_text())
    assert trainers.evaluate(finished) == pytest.approx(before)


@pytest.mark.slow
def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = finished.parent / "sort.yaml"
    real = training.Loop

    def stopping(**settings: Any) -> Any:
        return real(**{**settings, "stop_requested": lambda: True})

    monkeypatch.setattr(training, "Loop", stopping)
    with pytest.raises(Preempted):
        trainers.train(config, tmp_path / "run")
    monkeypatch.setattr(training, "Loop", real)
    trainers.train(config, tmp_path / "run")
    assert_same_state(finished, tmp_path / "run")
