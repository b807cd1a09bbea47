"""Verification: it passes what was trained, and notices each kind of difference."""

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import export
from export.flatbuffer import count_operators
from export.saved_model import write_saved_model
from export.signatures.image_classification import ImageClassificationSignatures
from export.tflite import convert
from export.verification import Check
from export.verification import Tally
from export.verification import Verification
from export.verification import verify_artefact
from tests.export.sealing import reseal
from tests.export.small import build
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.experiment import Experiment


@pytest.fixture
def copy(artefact, tmp_path) -> Path:
    """An artefact that a test may falsify."""
    return Path(shutil.copytree(artefact("tflite_float32"), tmp_path / "copy"))


def other_network() -> keras.Model:
    keras.utils.set_random_seed(99)
    return build()


@pytest.fixture(scope="module")
def verified(artefact) -> Callable[[str], Verification]:
    """Verifies a preset once."""
    return functools.cache(lambda preset: export.verify(artefact(preset)))


@pytest.mark.parametrize("preset", ["tflite_float32", "tflite_int8"])
def test_what_was_trained_passes(artefact, verified, run_folder, preset: str):
    folder, verification = artefact(preset), verified(preset)
    keras_check, saved_model, tflite = verification.checks
    assert verification.split == "test"
    assert verification.num_examples == 360
    assert [check.kind for check in verification.checks] == [
        "keras",
        "saved_model",
        "tflite",
    ]
    # Evaluation after training went through other code: the task's own pipeline.
    evaluated = json.loads((run_folder / "metrics.json").read_text())
    assert keras_check.metrics["top1"] == pytest.approx(evaluated["test/top1"])
    assert keras_check.metrics["top5"] == pytest.approx(evaluated["test/top5"])
    assert saved_model.metrics == keras_check.metrics
    assert saved_model.errors["logits"] <= 1e-5
    assert tflite.num_bytes == (folder / "model.tflite").stat().st_size
    if preset == "tflite_float32":
        assert tflite.agreement == 1
        assert tflite.errors["logits"] <= 1e-5
    else:
        assert 1e-4 < tflite.errors["logits"] <= tflite.bound


def test_accuracy_and_agreement_are_counted_over_the_whole_split(artefact, verified):
    loaded = export.load(artefact("tflite_int8"))
    signatures = loaded.signatures
    programs = (loaded.reference(), loaded.programs["tflite"])
    hits = same = 0
    for batch in signatures.examples("test", 10**6):
        expected, received = (
            np.argmax(signatures.outputs(program, batch)["logits"], axis=-1)
            for program in programs
        )
        hits += int(np.sum(received == batch["label"]))
        same += int(np.sum(received == expected))
    tflite = verified("tflite_int8").checks[-1]
    assert tflite.metrics["top1"] == pytest.approx(hits / 360)
    assert tflite.agreement == pytest.approx(same / 360)


def test_a_large_split_is_sampled(artefact):
    verification = export.verify(artefact("saved_model"), max_examples=50)
    assert verification.num_examples == 50


def test_a_tflite_file_of_another_network_fails_every_check(copy):
    signatures = export.load(copy).signatures
    content = convert(other_network(), signatures.device, "float32")
    assert count_operators(content)
    (copy / "model.tflite").write_bytes(content)
    reseal(copy)
    with pytest.raises(CheckFailed) as caught:
        export.verify(copy)
    message = str(caught.value)
    assert caught.value.exit_code == 1
    assert "saved_model" not in message
    for expected in (
        "tflite: the error of logits",
        "export.min_agreement",
        "export.max_accuracy_drop",
    ):
        assert expected in message


def test_a_saved_model_that_prepares_images_differently_fails(copy):
    loaded = export.load(copy)
    values = loaded.experiment.plain()
    values["model"]["input_scaling"] = "torch"
    signatures = ImageClassificationSignatures(
        Experiment.parse(values), {"labels.txt": "\n".join("0123456789")}
    )
    model = keras.saving.load_model(copy / "model.keras")
    shutil.rmtree(copy / "saved_model")
    write_saved_model(model, signatures.serving(model), copy / "saved_model")
    reseal(copy)
    with pytest.raises(CheckFailed, match="saved_model: the error of logits"):
        export.verify(copy)


def test_progress_counts_every_example(artefact):
    loaded, counts = export.load(artefact("saved_model")), []
    verification = verify_artefact(loaded, 100, counts.append)
    assert len(counts) > 1
    assert sum(counts) == verification.num_examples == 100


def test_a_split_without_readable_examples_cannot_verify(artefact, monkeypatch):
    loaded = export.load(artefact("saved_model"))
    monkeypatch.setattr(loaded.signatures, "examples", lambda *arguments: iter(()))
    with pytest.raises(DataError, match=r"data\.test"):
        verify_artefact(loaded)


def test_data_without_a_held_out_split_cannot_verify(copy, tmp_path):
    import tensorflow as tf

    for digit in range(10):
        folder = tmp_path / "images" / "train" / str(digit)
        folder.mkdir(parents=True)
        png = tf.io.encode_png(np.full((8, 8, 1), digit, np.uint8)).numpy()
        (folder / "a.png").write_bytes(png)
    experiment = export.load(copy).experiment.plain()
    images = {"kind": "image_folder", "path": str(tmp_path / "images"), "test": None}
    experiment["data"] = {**images, "batch_size": 2}
    reseal(copy, experiment=experiment)
    with pytest.raises(ConfigError, match=r"data\.test"):
        export.verify(copy)


def test_not_a_number_is_an_error_without_bound():
    tally = Tally()
    expected = {"logits": np.array([[0.0, 1.0]])}
    one = np.ones(1)
    tally.add(expected, {"logits": np.array([[0.0, np.nan]])}, np.array([True]), one)
    tally.add(expected, expected, np.array([True]), one)
    assert tally.errors["logits"] == np.inf


def test_all_exceeded_bounds_are_listed():
    check = Check("tflite", 1, {"logits": 0.5}, 0.1, 0.9, {"top1": 0.5})
    Verification("test", 1, "top1", (check,), ()).check()
    with pytest.raises(CheckFailed, match=r"first(.|\n)*second"):
        Verification("test", 1, "top1", (check,), ("first", "second")).check()
