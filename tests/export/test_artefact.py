"""Artefacts: what is in them, what they predict, and how damage is noticed."""

import hashlib
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import export
from export.artefact import in_float32
from export.manifest import MANIFEST
from export.runtime import SavedModelProgram
from tests.export.sealing import read
from tests.export.sealing import reseal
from tests.trainers.small import SMALL
from tests.trainers.small import SORT
from tfmodels import catalog
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.configuration import load_experiment
from trainers.configuration import read_yaml
from trainers.data.images.arrays import load_digits
from trainers.experiment import Experiment
from trainers.runs import load_run

pytestmark = pytest.mark.slow

FILES = [
    "manifest.json",
    "labels.txt",
    "config.yaml",
    "model.keras",
    "model.tflite",
    "saved_model/saved_model.pb",
    "saved_model/variables/variables.data-00000-of-00001",
    "saved_model/assets.extra/labels.txt",
]


@pytest.fixture
def copy(artefact, tmp_path) -> Path:
    """An int8 artefact that a test may damage."""
    return Path(shutil.copytree(artefact("tflite_int8"), tmp_path / "copy"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[tuple[str, str]]:
    """Paths of PNG files of test digits, with their labels."""
    digits = load_digits("test")
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for number in range(20):
        path = folder / f"{number}.png"
        path.write_bytes(tf.io.encode_png(digits.images[number]).numpy())
        made.append((str(path), str(digits.targets[number])))
    return made


def test_the_folder_has_every_form_of_the_model(artefact):
    folder = artefact("tflite_int8")
    for name in FILES:
        assert (folder / name).is_file(), name
    assert not (artefact("saved_model") / "model.tflite").exists()
    assert (folder / "labels.txt").read_text().split() == list("0123456789")
    saved = (folder / "saved_model/assets.extra/labels.txt").read_text()
    assert saved.split() == list("0123456789")


def test_the_manifest_says_what_the_files_are(artefact, run_folder):
    folder = artefact("tflite_int8")
    manifest = read(folder)
    assert manifest["preset"] == "tflite_int8"
    assert manifest["step"] == load_run(run_folder).step > 0
    assert manifest["metrics"] == json.loads((run_folder / "metrics.json").read_text())
    assert manifest["versions"]["keras"] == keras.__version__
    assert manifest["versions"]["tensorflow"] == tf.__version__
    listed = set(manifest["files"])
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert listed == found - {MANIFEST}
    for name, entry in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_manifest_holds_the_contract_of_the_device(artefact):
    folder = artefact("tflite_int8")
    endpoint = read(folder)["programs"]["tflite"]["endpoints"]["classify"]
    interpreter = Interpreter(str(folder / "model.tflite"))
    for entry, detail in (
        (endpoint["inputs"]["image"], interpreter.get_input_details()[0]),
        (endpoint["outputs"]["logits"], interpreter.get_output_details()[0]),
    ):
        assert entry["dtype"] == "int8"
        assert entry["shape"] == detail["shape"].tolist()
        scale, zero_point = detail["quantization"]
        assert entry["quantization"] == {"scale": scale, "zero_point": zero_point}
    # Pixels 0 to 255 become -1 to 1, which int8 covers in 255 steps.
    quantization = endpoint["inputs"]["image"]["quantization"]
    assert quantization["scale"] == pytest.approx(2 / 255, rel=1e-4)
    assert quantization["zero_point"] in (-1, 0)


def test_the_manifest_says_how_to_make_the_input(artefact):
    preprocessing = read(artefact("tflite_int8"))["preprocessing"]
    assert preprocessing["layout"] == "NHWC"
    assert preprocessing["channels"] == "gray"
    assert preprocessing["crop_fraction"] == 1.0
    assert preprocessing["mean"] == pytest.approx([127.5])
    assert preprocessing["deviation"] == pytest.approx([127.5])
    assert preprocessing["labels"] == "labels.txt"
    assert (artefact("tflite_int8") / preprocessing["labels"]).is_file()


def test_the_configuration_in_it_is_the_runs(artefact, run_folder):
    folder = artefact("tflite_int8")
    run = load_experiment(run_folder / "config.yaml")
    assert load_experiment(folder / "config.yaml") == run
    assert export.load(folder).experiment == run


def test_the_keras_model_has_no_training_heads(artefact, run_folder):
    model = keras.saving.load_model(artefact("tflite_int8") / "model.keras")
    run = load_run(run_folder)
    assert list(model.output) == ["logits"]
    assert list(run.model.output) == ["logits", "aux1_logits"]
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    np.testing.assert_array_equal(
        model(images)["logits"], run.model(images, training=False)["logits"]
    )


@pytest.fixture(scope="module")
def predictions(run_folder, pictures) -> list:
    """What the run itself says about the pictures."""
    run = load_run(run_folder)
    return [run.task.predict(run.model, path) for path, _ in pictures]


@pytest.mark.parametrize("preset", ["saved_model", "tflite_float32", "tflite_int8"])
def test_predictions_on_pictures_are_those_of_the_run(
    artefact, pictures, predictions, preset: str
):
    loaded = export.load(artefact(preset))
    hits = agreements = 0
    for (path, label), expected in zip(pictures, predictions, strict=True):
        prediction = loaded.predict(path)
        hits += prediction.label == label
        agreements += prediction.label == expected.label
        if preset != "tflite_int8":
            assert prediction.labels == expected.labels
            np.testing.assert_allclose(
                prediction.probabilities, expected.probabilities, atol=1e-5
            )
        assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)
        assert list(prediction.probabilities) == sorted(
            prediction.probabilities, reverse=True
        )
    assert hits >= 15
    assert agreements >= 18


def test_a_picture_that_cannot_be_read_is_a_data_error(artefact, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    for preset in ("saved_model", "tflite_int8"):
        with pytest.raises(DataError, match=r"broken\.png"):
            export.load(artefact(preset)).predict(broken)
        with pytest.raises(DataError, match=r"absent\.png"):
            export.load(artefact(preset)).predict(tmp_path / "absent.png")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_damage_to_any_file_is_noticed_and_named(copy, name: str, damage):
    damage(copy / name)
    with pytest.raises(DataError) as caught:
        export.load(copy)
    assert name in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("step", 7),
        ("format", 2),
        ("metrics", {"test/top1": 1.0}),
        ("digest", ""),
        ("files", {}),
        ("unknown", 1),
        ("preset", 5),
        ("device", "toaster"),
    ],
)
def test_an_edited_manifest_is_noticed(copy, key: str, value):
    (copy / MANIFEST).write_text(json.dumps({**read(copy), key: value}))
    with pytest.raises(DataError, match=MANIFEST):
        export.load(copy)


def test_files_outside_of_the_folder_are_refused(copy):
    outside = copy.parent / "secret"
    outside.write_text("x")
    entry = {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    reseal(copy, files={**read(copy)["files"], "../secret": entry})
    with pytest.raises(DataError, match="outside"):
        export.load(copy)


def test_an_experiment_of_another_version_is_refused(copy):
    reseal(copy, experiment={**read(copy)["experiment"], "new_section": {}})
    with pytest.raises(DataError, match="new_section"):
        export.load(copy)


def test_a_preset_of_another_version_is_refused(copy):
    reseal(copy, preset="tflite_int4")
    with pytest.raises(DataError, match="incompatible version"):
        export.load(copy)


def test_an_unknown_kind_of_program_is_refused(copy, pictures):
    programs = read(copy)["programs"]
    programs = {**programs, "pickle": programs["tflite"]}
    reseal(copy, programs=programs, device="pickle")
    with pytest.raises(DataError, match="pickle"):
        export.load(copy).predict(pictures[0][0])


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: None])
def test_what_is_no_artefact_is_a_data_error(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(DataError, match="not an exported artefact"):
        export.load(tmp_path / "x")


def test_a_saved_model_that_reads_files_is_refused(tmp_path):
    class Spy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def read(self, path):
            return {"content": tf.io.read_file(path)}

    spy = Spy()
    tf.saved_model.save(spy, str(tmp_path / "spy"), signatures=spy.read)
    with pytest.raises(DataError, match="ReadFile"):
        SavedModelProgram(tmp_path / "spy")
    (tmp_path / "spy" / "saved_model.pb").write_bytes(b"garbage")
    with pytest.raises(DataError, match="not a readable SavedModel"):
        SavedModelProgram(tmp_path / "spy")


def test_an_existing_folder_is_not_overwritten(run_folder, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="--output"):
        export.export(run_folder, "saved_model", output)
    assert [path.name for path in output.iterdir()] == ["mine.txt"]


def test_an_unknown_preset_is_a_config_error(run_folder, tmp_path):
    with pytest.raises(ConfigError, match="Did you mean tflite_int8"):
        export.export(run_folder, "tflite_int4", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_run_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="holds no run"):
        export.export(tmp_path, "saved_model", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("largest_file", [1_000, 100_000])
def test_a_full_disk_leaves_nothing(run_folder, tmp_path, largest_file: int):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The first write beyond the limit fails as it does on a full disk: 1 kB is less
    # than the Keras file, 100 kB is less than the SavedModel.
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, before[1]))
    try:
        with pytest.raises(DataError, match="could not be written"):
            export.export(run_folder, "saved_model", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_a_failed_conversion_leaves_nothing(run_folder, tmp_path, monkeypatch):
    def fail(*arguments) -> None:
        raise CheckFailed("not integer-only")

    monkeypatch.setattr("export.artefact.write_saved_model", lambda *a, **k: None)
    monkeypatch.setattr("export.tflite.convert", fail)
    with pytest.raises(CheckFailed, match="not integer-only"):
        export.export(run_folder, "tflite_int8", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [SMALL, SORT])
def test_a_model_of_mixed_precision_leaves_in_float32(text: str):
    before = keras.config.dtype_policy()
    config = Experiment.parse(read_yaml(text, "x.yaml")).model
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = catalog.build(config)
    finally:
        keras.config.set_dtype_policy(before)
    model = in_float32(mixed, config)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    for old, new in zip(mixed.weights, model.weights, strict=True):
        assert old.path == new.path
        np.testing.assert_array_equal(old.numpy(), new.numpy())


def test_importing_the_room_does_not_import_tensorflow():
    code = "import export, export.presets, sys; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
