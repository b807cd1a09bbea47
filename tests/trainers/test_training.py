"""Training in a folder: results, exact resume, refusals."""

import json
import os
import signal
from pathlib import Path

import pytest
import tensorflow as tf

import trainers
from tests.trainers.small import assert_same_state
from tests.trainers.small import last_state
from tests.trainers.small import write_config
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.errors import Preempted
from trainers.configuration import load_experiment
from trainers.experiment import Experiment
from trainers.interfaces import Stage
from trainers.runs import load_run
from trainers.stages import open_strategy
from trainers.stages import plan_stages


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A configuration and the folder of its finished run."""
    folder = tmp_path_factory.mktemp("finished")
    config = write_config(folder)
    trainers.train(config, folder / "run")
    return config, folder / "run"


def test_a_run_leaves_what_it_promises(finished: tuple[Path, Path]) -> None:
    _, workdir = finished
    metrics = json.loads((workdir / "metrics.json").read_text())
    assert metrics["test/top1"] > 0.5  # chance is 0.1
    assert metrics["test/bad_examples"] == 0
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").open()]
    assert [line["step"] for line in lines] == [20, 40, 60, 60]
    assert lines[0]["train/loss"] > lines[2]["train/loss"]
    heads = [f"{head}top{k}" for head in ("", "aux1_") for k in (1, 5)]
    for figure in (
        *heads,
        "aux1_cross_entropy",
        "learning_rate",
        "examples_per_second",
    ):
        assert lines[0][f"train/{figure}"] > 0
    assert list(workdir.glob("tensorboard/events*"))
    assert {path.name for path in (workdir / "pictures").iterdir()} == {
        "curves.png",
        "test_confusion.png",
        "test_predictions.png",
    }


@pytest.mark.parametrize("wanted", [True, False])
def test_equal_bits_are_asked_of_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    asked: list[bool] = []
    switch = "enable_op_determinism"  # It cannot be taken back in this process.
    monkeypatch.setattr(tf.config.experimental, switch, lambda: asked.append(True))
    change = f"run.deterministic={str(wanted).lower()}"
    with open_strategy(load_experiment(write_config(tmp_path), [change])):
        assert asked == [True] * wanted


def test_a_finished_run_trained_again_changes_nothing(
    finished: tuple[Path, Path],
) -> None:
    config, workdir = finished
    before = last_state(workdir)
    metrics = json.loads((workdir / "metrics.json").read_text())
    result = trainers.train(config, workdir)
    assert result.step == 60
    assert result.metrics == pytest.approx(metrics, rel=1e-6)
    after = last_state(workdir)
    assert all((before[name] == after[name]).all() for name in before)


def test_sigterm_while_the_model_is_built_then_resume_equals_a_run_without_stop(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, uninterrupted = finished

    def plan(experiment: Experiment) -> tuple[Stage, ...]:
        os.kill(os.getpid(), signal.SIGTERM)
        return plan_stages(experiment)

    with monkeypatch.context() as patch:
        patch.setattr("trainers.stages.plan_stages", plan)
        with pytest.raises(Preempted, match="is saved"):
            trainers.train(config, tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert trainers.train(config, tmp_path / "run").step == 60
    assert_same_state(tmp_path / "run", uninterrupted)


def test_another_configuration_is_refused_with_the_difference(
    finished: tuple[Path, Path],
) -> None:
    config, workdir = finished
    with pytest.raises(ConfigError, match=r"optimizer\.momentum: 0\.9 -> 0\.8"):
        trainers.train(config, workdir, ["optimizer.momentum=0.8"])


def test_evaluate_repeats_the_figures_of_training(finished: tuple[Path, Path]) -> None:
    _, workdir = finished
    before = json.loads((workdir / "metrics.json").read_text())
    assert trainers.evaluate(workdir) == pytest.approx(before, rel=1e-5)


def test_a_loaded_run_has_the_averaged_weights(finished: tuple[Path, Path]) -> None:
    _, workdir = finished
    state, run = last_state(workdir), load_run(workdir)
    kernel = next(v for v in run.model.weights if v.path == "conv1_conv/kernel")
    assert (kernel.numpy() == state["average/conv1_conv/kernel"]).all()
    assert (kernel.numpy() != state["model/conv1_conv/kernel"]).any()


def test_a_folder_without_a_run_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no run"):
        trainers.evaluate(tmp_path)


def test_a_model_that_does_not_suit_the_data_claims_no_folder(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with pytest.raises(ConfigError, match=r"model\.num_classes"):
        trainers.train(config, tmp_path / "run", ["model.num_classes=11"])
    assert not (tmp_path / "run").exists()
