"""Bad input: a sentence with the key to change, the documented code, nothing lost."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.tools.conftest import Command
from tests.trainers.small import ONE_MODULE
from tests.trainers.small import SMALL
from tests.trainers.small import assert_same_state
from tests.trainers.small import last_state
from tests.trainers.small import sigterm_after_a_checkpoint

pytestmark = pytest.mark.slow

Exported = Callable[[str], Path]


def write(folder: Path, *changes: tuple[str, str]) -> Path:
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "bad.yaml"
    path.write_text(text)
    return path


def settings(*changes: str) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


CONFIG_ERRORS = {
    "unknown key": (("momentum: 0.9\ns", "momentun: 0.9\ns"), "optimizer.momentun"),
    "wrong type": (("steps: 60", 'steps: "many"'), "run.steps"),
    "bool for a number": (
        ("num_classes: 10", "num_classes: true"),
        "model.num_classes",
    ),
    "out of range": (("decay: 0.9}", "decay: 1.5}"), "run.average.decay"),
    "duplicate key": (("  steps: 60\n", "  steps: 60\n  steps: 61\n"), "line"),
    "unknown kind": (("kind: cross_entropy", "kind: cross_entrophy"), "objective"),
    "unknown head": (("aux1_logits: 0.3", "aux7_logits: 0.3"), "aux7_logits"),
    "classes of the data": (("num_classes: 10", "num_classes: 12"), "num_classes"),
    "batch not divisible": (("kind: sgd", "kind: sgd"), "data.batch_size"),
}


@pytest.mark.parametrize("name", CONFIG_ERRORS)
def test_configuration_errors(name: str, tfmodels: Command, tmp_path: Path) -> None:
    change, key = CONFIG_ERRORS[name]
    extra = ["--set", "run.accumulation=7"] if name == "batch not divisible" else []
    config = write(tmp_path, change)
    code, _, err = tfmodels("train", config, "--workdir", tmp_path / "run", *extra)
    assert code == 2, err
    assert key in err
    assert "xpected" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_a_missing_configuration(tfmodels: Command, tmp_path: Path) -> None:
    code, _, err = tfmodels("train", "googlenet/tinny", "--workdir", tmp_path / "run")
    assert code == 2
    assert "googlenet/tiny" in err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image folder: 2 classes of 40 training and 8 test images, as JPEG."""
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for split, count in (("train", 40), ("val", 8)):
        for label, level in (("dark", 40), ("light", 200)):
            target = root / split / label
            target.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(level, level + 50, (8, 8, 1), np.uint8)
                encoded = tf.io.encode_jpeg(pixels).numpy()
                (target / f"{number}.jpg").write_bytes(encoded)
    return root


def on_folder(path: Path, *more: str) -> list[str]:
    data = f"data={{kind: image_folder, path: {path}, batch_size: 16}}"
    classes = "model.num_classes=2"
    return settings(data, classes, *ONE_MODULE, "run.steps=4", *more)


def test_a_missing_data_folder(tfmodels: Command, tmp_path: Path) -> None:
    changes = on_folder(tmp_path / "nowhere")
    run = tmp_path / "run"
    code, _, err = tfmodels("train", write(tmp_path), "--workdir", run, *changes)
    assert code == 3
    assert "data.path" in err
    assert not run.exists()


def test_an_empty_class(tfmodels: Command, folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "images"
    shutil.copytree(folder, copy)
    (copy / "train" / "nothing").mkdir()
    changes = on_folder(copy)
    code, _, err = tfmodels(
        "train", write(tmp_path), "--workdir", tmp_path / "r", *changes
    )
    assert code == 3
    assert "nothing" in err


def test_a_truncated_jpeg_is_one_lost_example(
    tfmodels: Command, folder: Path, tmp_path: Path
) -> None:
    copy, run = tmp_path / "images", tmp_path / "run"
    shutil.copytree(folder, copy)
    victim = copy / "train" / "dark" / "7.jpg"
    victim.write_bytes(victim.read_bytes()[:200])
    config = write(tmp_path)
    code, out, _ = tfmodels("data", "check", config, *on_folder(copy))
    assert code == 3
    assert "7.jpg" in out
    steps = ("run.steps=5", "run.log_every=5")
    allowed = on_folder(copy, "data.max_bad_fraction=0.05", *steps)
    assert tfmodels("train", config, "--workdir", run, *allowed)[0] == 0
    history = (run / "metrics.jsonl").read_text()
    assert '"train/bad_examples": 0.0125' in history  # one of 80


def test_a_held_out_split_that_cannot_be_read(
    tfmodels: Command, folder: Path, tmp_path: Path
) -> None:
    copy, run = tmp_path / "images", tmp_path / "run"
    shutil.copytree(folder, copy)
    victim = next((copy / "val" / "dark").iterdir())
    victim.write_bytes(victim.read_bytes()[:200])
    changes = on_folder(copy, "data.batch_size=12")  # the last batch is padded
    code, _, err = tfmodels("train", write(tmp_path), "--workdir", run, *changes)
    assert code == 3
    assert "1 of the 16 examples of the split 'test'" in " ".join(err.split())
    assert "data.max_bad_fraction" in err
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000004"]


def test_a_label_nobody_knows(tfmodels: Command, folder: Path, tmp_path: Path) -> None:
    rows = [f"{path},{path.parent.name}" for path in sorted(folder.glob("train/*/*"))]
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("\n".join(["path,label", *rows]) + "\n")
    test.write_text(f"path,label\n{rows[0].replace(',dark', ',purple')}\n")
    changes = on_folder(folder)
    changes[1] = (
        f"data={{kind: manifest, train: {train}, test: {test}, batch_size: 16}}"
    )
    code, _, err = tfmodels(
        "train", write(tmp_path), "--workdir", tmp_path / "r", *changes
    )
    assert code == 3
    assert "purple" in err
    assert "line 2" in err


def test_a_checkpoint_of_another_model(
    tfmodels: Command, run_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    before = last_state(run)
    config = run / "config.yaml"
    wider = config.read_text().replace("multiplier: 0.125", "multiplier: 0.25")
    config.write_text(wider)
    for command in (["evaluate", run], ["train", config, "--workdir", run]):
        code, _, err = tfmodels(*command)
        assert code == 3
        assert "another model" in err
    assert last_state(run).keys() == before.keys()


def test_a_run_that_diverges_keeps_its_checkpoints(
    tfmodels: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    warm = "learning_rate: {kind: cosine, initial: 0.3, warmup: 5}"
    hot = "learning_rate: {kind: exponential, initial: 0.3, factor: 1.0, every: 1}"
    stages = (
        "\nstages:\n  - {name: good, steps: 6}\n  - name: bad\n    steps: 20\n"
        "    optimizer:\n      kind: sgd\n"
        "      learning_rate: {kind: constant, initial: 1.0e+30}\n"
    )
    config = write(tmp_path, (warm, hot), ("  steps: 60\n", ""))
    config.write_text(config.read_text() + stages)
    every = ("run.checkpoint_every=3", "run.steps_per_loop=3")
    changes = settings(*ONE_MODULE, *every)
    code, _, err = tfmodels("train", config, "--workdir", run, *changes)
    assert code == 4
    assert "optimizer.learning_rate" in err
    assert all(np.isfinite(value).all() for value in last_state(run).values())


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.tflite", lambda path: path.write_bytes(path.read_bytes()[:-100])),
        ("labels.txt", lambda path: path.write_text("a\nb\n")),
        ("model.keras", lambda path: path.unlink()),
        (
            "manifest.json",
            lambda path: path.write_text(path.read_text().replace("int8", "int9")),
        ),
    ],
)
def test_a_corrupt_artefact(
    name: str,
    damage: Callable[[Path], object],
    tfmodels: Command,
    artefact: Exported,
    tmp_path: Path,
) -> None:
    copy = shutil.copytree(artefact("tflite_int8"), tmp_path / "copy")
    damage(copy / name)
    picture = tmp_path / "digit.png"
    picture.write_bytes(tf.io.encode_png(np.zeros([8, 8, 1], np.uint8)).numpy())
    for command in (["verify", copy], ["predict", copy, picture]):
        code, _, err = tfmodels(*command)
        assert code == 3
        assert name in err


def test_export_refuses_what_it_cannot_do(
    tfmodels: Command, run_folder: Path, artefact: Exported, tmp_path: Path
) -> None:
    code, _, err = tfmodels(
        "export", run_folder, "--preset", "tflite_int4", "--output", tmp_path / "o"
    )
    assert code == 2
    assert "tflite_int8" in err
    arguments = ("--preset", "tflite_float32", "--output", artefact("tflite_int8"))
    code, _, err = tfmodels("export", run_folder, *arguments)
    assert code == 2
    assert "--output" in err
    code, _, err = tfmodels(
        "export", tmp_path / "none", *arguments[:2], "--output", "o"
    )
    assert code == 3
    assert "holds no run" in err


def test_a_text_file_is_no_image(
    tfmodels: Command, run_folder: Path, artefact: Exported, tmp_path: Path
) -> None:
    text = tmp_path / "note.txt"
    text.write_text("not an image")
    for model in (run_folder, artefact("tflite_int8")):
        code, _, err = tfmodels("predict", model, text)
        assert code == 3
        assert "note.txt" in err


def records(folder: Path, labels: list[int]) -> list[str]:
    """What reads a TFRecord file of images with these class numbers, of two classes."""
    image = tf.io.encode_png(np.zeros([8, 8, 1], np.uint8)).numpy()
    with tf.io.TFRecordWriter(str(folder / "images")) as writer:
        for label in labels:
            feature = {
                "image/encoded": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[image])
                ),
                "image/class/label": tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[label])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    (folder / "labels.txt").write_text("dark\nlight\n")
    data = (
        f"data={{kind: image_records, train: {folder / 'images'},"
        f" labels: {folder / 'labels.txt'}, batch_size: 8}}"
    )
    steps = ("run.steps=2", "run.log_every=2")
    return settings(data, "model.num_classes=2", *ONE_MODULE, *steps)


def test_a_class_number_out_of_range(tfmodels: Command, tmp_path: Path) -> None:
    changes = records(tmp_path, [0, 1] * 7 + [0, 7])
    config, run = write(tmp_path), tmp_path / "run"
    code, out, _ = tfmodels("data", "check", config, *changes)
    assert code == 3
    assert "data.label_offset" in "".join(out.split())
    strict = (*changes, "--set", "data.max_bad_fraction=0.0")
    code, _, err = tfmodels("train", config, "--workdir", run, *strict)
    assert code == 3
    assert "1 of the 16 examples" in " ".join(err.split())
    assert "data.max_bad_fraction" in err


FULL_DISKS = {
    "for a checkpoint": (100_000, "could not be saved"),
    "for the logs": (4_000, "Cannot write the logs of the run"),
    "for anything": (100, "Cannot write"),
}


def six_steps(config: Path, run: Path, limit: int | None = None) -> tuple[int, str]:
    """Exit code and messages of a training that saves every two of six steps.

    Args:
      config: of the run.
      run: its folder.
      limit: bytes that fit into a file.
    """

    def fill_disk() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    changes = ["--set", "run.steps=6", "--set", "run.checkpoint_every=2"]
    command = [sys.executable, "-m", "tools.cli", "train", "--workdir", str(run)]
    done = subprocess.run(
        [*command, str(config), *changes],
        capture_output=True,
        text=True,
        timeout=150,
        preexec_fn=fill_disk,
    )
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has never been without space."""
    folder = tmp_path_factory.mktemp("space")
    code, err = six_steps(write(folder), folder / "whole")
    assert code == 0, err
    return folder / "whole"


@pytest.mark.multiprocess
@pytest.mark.parametrize("room", FULL_DISKS)
def test_a_full_disk_loses_nothing_already_saved(
    room: str, whole: Path, tmp_path: Path
) -> None:
    largest, message = FULL_DISKS[room]
    config, run = write(tmp_path), tmp_path / "run"
    shutil.copytree(whole, run)
    for step in (4, 6):  # as if it had been stopped after step 2
        shutil.rmtree(run / "checkpoints" / f"step-{step:08d}")
    before = last_state(run)
    code, err = six_steps(config, run, largest)
    assert code == 3, err
    assert message in err
    assert "Expected a writable folder with free space" in err
    assert "Traceback" not in err
    after = last_state(run)
    assert all((before[name] == after[name]).all() for name in before)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000002"]
    assert six_steps(config, run)[0] == 0
    assert_same_state(run, whole)


EXIT_CODES = {
    0: ["config", "validate", "CONFIG"],
    1: ["doctor", "--workdir", "CONFIG/below-a-file"],
    2: ["train", "CONFIG", "--workdir", "RUN", "--set", "run.stepps=1"],
    3: ["evaluate", "RUN"],
    4: ["train", "CONFIG", "--workdir", "RUN", "--set", "run.loss_bound=1.0e-9"],
    42: ["train", "CONFIG", "--workdir", "RUN", "--set", "run.steps=100000"],
}


@pytest.mark.parametrize("code", EXIT_CODES)
def test_documented_exit_codes(code: int, tfmodels: Command, tmp_path: Path) -> None:
    run, config = tmp_path / "run", write(tmp_path)
    stand_for = {"CONFIG": str(config), "RUN": str(run)}
    arguments = [
        "/".join(stand_for.get(part, part) for part in word.split("/"))
        for word in EXIT_CODES[code]
    ]
    if arguments[0] == "train":
        arguments += settings(*ONE_MODULE)
    thread = sigterm_after_a_checkpoint(run) if code == 42 else None
    received, _, err = tfmodels(*arguments)
    if thread:
        thread.join()
    assert received == code, err
    assert bool(err) == (code != 0)
