"""What the library does to a run on real digits, and what comes back."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainers
from export.flatbuffer import check_integer
from export.flatbuffer import operators
from export.lite_runtime import LiteProgram
from export.model_optimization import compressing
from export.model_optimization.compressing import compress
from export.model_optimization.config import LibraryCompression
from tests.export.model_optimization import elsewhere
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tfmodels.errors import ProcessLost
from tools.compress import compress_command
from trainers.runs import RunFolder
from trainers.runs import load_run

pytestmark = pytest.mark.slow

Worker = Callable[..., None]


def untouched() -> None:
    """This process knows nothing of Keras 2."""
    assert "TF_USE_LEGACY_KERAS" not in os.environ
    assert tf.keras.__version__ == keras.__version__
    assert tf.keras.Model is keras.Model


def rows(task, split: str) -> tuple[np.ndarray, np.ndarray]:
    """All images of a split as the model reads them, and their labels."""
    batches = list(task.dataset(split))
    kept = np.concatenate([batch["weight"] for batch in batches]) > 0
    images = np.concatenate([task.inputs(batch) for batch in batches])[kept]
    return images, np.concatenate([batch["label"] for batch in batches])[kept]


@pytest.mark.parametrize("method", ["prune", "cluster"])
def test_a_smaller_run(run_folder: Path, tmp_path: Path, method: str, capfd):
    new = tmp_path / "new"
    compress_command(run_folder, method, new, epochs=2, clusters=8)
    assert "epoch 2/2  loss" in capfd.readouterr().out
    untouched()
    run = load_run(new)
    kernels = [v.numpy() for v in run.model.weights if v.path.endswith("kernel")]
    if method == "prune":
        zeros = sum(np.sum(kernel == 0) for kernel in kernels)
        assert abs(zeros / sum(kernel.size for kernel in kernels) - 0.5) < 1e-3
    else:
        assert max(len(np.unique(kernel)) for kernel in kernels) <= 8
    # tf-keras has the last word on how good the weights of the new run are.
    images, labels = rows(run.task, "test")
    assert len(labels) == 360
    elsewhere.write(tmp_path / "there", run.model, images)
    elsewhere.rebuild(tmp_path / "there")
    logits = elsewhere.answers(tmp_path / "there")["logits"]
    accuracy = np.mean(np.argmax(logits, -1) == labels)
    metrics = trainers.evaluate(new)
    assert metrics["test/top1"] == pytest.approx(accuracy, abs=1e-9)
    assert accuracy > 0.8


def test_integers(run_folder: Path, tmp_path: Path):
    new = tmp_path / "new"
    compress_command(run_folder, "quantize", new, epochs=1)
    untouched()
    content = (new / "model.tflite").read_bytes()
    check_integer(content)
    used = {operator.name for operator in operators(content)}
    assert "CONV_2D" in used
    assert not used & {"DEQUANTIZE", "QUANTIZE"}
    run = load_run(new)
    images, labels = rows(run.task, "test")
    logits = LiteProgram(new / "model.tflite")("classify", {"image": images})["logits"]
    assert np.mean(np.argmax(logits, -1) == labels) > 0.8
    figures = json.loads((new / "compression.json").read_text())
    assert figures["tflite_agreement"] > 0.95
    assert figures["tflite_bytes"] == len(content)


def echo(change: float = 0.0, error: float = 0.0) -> Worker:
    """A worker that computes nothing: it returns the weights and what is right."""

    def work(folder: Path, batches, show, time_limit) -> None:
        work.batches = list(batches)
        with np.load(folder / "weights.npz") as found:
            arrays = {name: values + change for name, values in found.items()}
        np.savez(folder / "result.npz", **arrays)
        probe = np.load(folder / "probe.npy")
        outputs = work.model(probe, training=False)
        for variable in work.model.weights:
            variable.assign(variable + change)
        after = work.model(probe, training=False)
        named = {f"before/{name}": value for name, value in outputs.items()}
        named |= {f"after/{name}": value + error for name, value in after.items()}
        np.savez(folder / "outputs.npz", **named)

    return work


@pytest.fixture
def ended(run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Compresses a run with a worker in the place of the process."""

    def end(work: Worker, **settings):
        run = load_run(run_folder)
        work.model = run.model
        monkeypatch.setattr(compressing, "work", work)
        values = LibraryCompression.parse({"method": "prune", **settings})
        return run, compress(run_folder, values)

    return end


def test_weights_come_back_and_batches_are_the_next_ones_of_the_run(ended):
    work = echo(change=0.001)
    run, made = ended(work, epochs=1)
    for variable in run.model.weights:  # changed by the worker
        np.testing.assert_array_equal(made.weights[variable.path], variable.numpy())
    expected = run.task.dataset("train", start=run.step)
    assert len(work.batches) == run.task.steps_per_epoch
    for (images, labels, weights), batch in zip(work.batches, expected, strict=False):
        np.testing.assert_array_equal(images, run.task.inputs(batch))
        np.testing.assert_array_equal(labels, batch["label"])
        np.testing.assert_array_equal(weights, batch["weight"])
    assert made.program is None
    assert made.figures["zipped_bytes"] > 0
    untouched()


def test_another_answer_than_over_there_is_not_taken(ended):
    with pytest.raises(CheckFailed, match="logits after training"):
        ended(echo(error=0.01), epochs=1)


def folder_of(tmp_path: Path, config: str, *overrides: str) -> Path:
    """The folder of a run that has not begun."""
    folder = RunFolder(tmp_path / "run")
    folder.claim(trainers.configuration.load_experiment(config, overrides))
    return folder.path


@pytest.mark.parametrize(
    ("config", "overrides", "words"),
    [
        ("gnmt/tiny", (), "task.kind"),
        ("googlenet/detection_tiny", (), "task.kind"),
        ("googlenet/qat_tiny", (), "quantization_aware"),
        ("raml/digits", (), "objective.kind"),
    ],
)
def test_runs_that_are_refused(tmp_path: Path, config: str, overrides, words: str):
    run = folder_of(tmp_path, config, *overrides)
    with pytest.raises(ConfigError, match=words):
        compress_command(run, "prune", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_where_the_library_fails(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*arguments: object) -> None:
        raise ProcessLost("it is gone")

    monkeypatch.setattr(compressing, "work", fail)
    with pytest.raises(ProcessLost):
        compress_command(run_folder, "prune", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match="method"):
        compress_command(run_folder, "shrink", tmp_path / "new")
    with pytest.raises(ConfigError, match="sparsity"):
        compress_command(run_folder, "prune", tmp_path / "new", sparsity=1.5)
    with pytest.raises(ConfigError, match="holds a run already"):
        compress_command(run_folder, "prune", run_folder)
