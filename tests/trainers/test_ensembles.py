"""Classifiers together: one alone is itself, several are the mean of probabilities."""

from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import trainers
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.cli import app
from trainers.data.images.views import views
from trainers.ensembles import answers
from trainers.ensembles import ensemble
from trainers.runs import load_run


def test_probabilities_are_averaged() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    exponentials = np.exp(logits)
    expected = (exponentials / exponentials.sum(-1, keepdims=True)).mean(0)
    np.testing.assert_allclose(np.exp(ensemble(logits)), expected, rtol=1e-5)


@pytest.fixture(scope="module")
def alone(run_folder: Path) -> dict[str, float]:
    return trainers.evaluate(run_folder)


def test_the_same_model_twice_is_that_model(
    run_folder: Path, alone: dict[str, float], tmp_path: Path
) -> None:
    output = tmp_path / "together"
    arguments = ["evaluate", str(run_folder), str(run_folder), "--output", str(output)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    found = trainers.evaluate_together([run_folder])
    for name in ("test/top1", "test/top5"):
        assert found[name] == pytest.approx(alone[name])
    assert found["test/loss"] == pytest.approx(alone["test/cross_entropy"], rel=1e-4)
    assert found["test/examples"] == 360
    made = sorted(path.name for path in output.iterdir())
    assert made == ["metrics.json", "test_confusion.png", "test_worst.png"]


def test_listed_examples_do_not_count(
    run_folder: Path, alone: dict[str, float], tmp_path: Path
) -> None:
    found = answers(load_run(run_folder), "test")
    wrong = np.flatnonzero(np.argmax(found.logits, -1) != found.labels)
    listed = tmp_path / "excluded.txt"
    # Rows of the test split are counted from its own first one.
    listed.write_text("".join(f"{row}\n" for row in wrong))
    excluded = f"task.excluded={listed}"
    found_now = trainers.evaluate_together([run_folder], [excluded])
    assert alone["test/top1"] < 1
    assert found_now["test/top1"] == 1
    assert found_now["test/examples"] == 360 - len(wrong)
    listed.write_text("5000\n")
    with pytest.raises(DataError, match="names no example"):
        trainers.evaluate_together([run_folder], [excluded])
    listed.write_text("first\n")
    with pytest.raises(DataError, match="whole numbers"):
        trainers.evaluate_together([run_folder], [excluded])


def test_crops_are_averaged_after_the_softmax(run_folder: Path) -> None:
    run = load_run(run_folder, ["task.crops=12", "data.batch_size=60"])
    batch = next(iter(run.task.dataset("test")))
    assert batch["image"].shape == (60, 12, 8, 8, 1)
    image = run.task.source("test").read(np.int64(3), 1)["image"]
    np.testing.assert_array_equal(batch["image"][3], views(image, (8, 8, 1), 12))
    outputs = run.task.outputs(run.model, batch, training=False)
    each = run.model(run.task.inputs({"image": batch["image"][3]}))["logits"]
    expected = np.mean(keras.ops.softmax(each), axis=0)
    found = keras.ops.softmax(outputs["logits"])[3]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert float(np.sum(found)) == pytest.approx(1)


def test_only_classifiers_are_evaluated_together(sorting_run: Path) -> None:
    with pytest.raises(ConfigError, match=r"Received task\.kind: language_modeling"):
        trainers.evaluate_together([sorting_run, sorting_run])
