"""MNIST and CIFAR, written in their published forms, become data that train."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.cli import app
from tools.prepare.image_files import read_images
from tools.prepare.images import Layout
from tools.prepare.images import prepare_images


def write_mnist(folder: Path, counts: dict[str, int]) -> dict[str, Any]:
    made = {}
    for stem, count in counts.items():
        random = np.random.default_rng(count)
        images = random.integers(0, 256, (count, 28, 28), np.uint8)
        labels = random.integers(0, 10, count).astype(np.uint8)
        head = b"\x00\x00\x08\x03" + np.array([count, 28, 28], ">u4").tobytes()
        packed = gzip.compress(head + images.tobytes())
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(packed)
        head = b"\x00\x00\x08\x01" + np.array([count], ">u4").tobytes()
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
        made[stem] = images, labels
    return made


def write_cifar(path: Path, count: int, labels: int) -> np.ndarray:
    random = np.random.default_rng(count + labels)
    rows = random.integers(0, 256, (count, labels + 3072), np.uint8)
    rows[:, :labels] %= 3
    path.write_bytes(rows.tobytes())
    return rows


def test_mnist(tmp_path: Path) -> None:
    made = write_mnist(tmp_path, {"train": 5, "t10k": 3})
    splits, names = read_images("mnist", tmp_path)
    assert names == tuple("0123456789")
    for split, stem in (("train", "train"), ("test", "t10k")):
        np.testing.assert_array_equal(splits[split].images[..., 0], made[stem][0])
        np.testing.assert_array_equal(splits[split].targets, made[stem][1])


def test_cifar_is_told_in_planes_and_the_fine_label_is_the_class(
    tmp_path: Path,
) -> None:
    (tmp_path / "fine_label_names.txt").write_text("apple\nbee\nwolf\n")
    (tmp_path / "batches.meta.txt").write_text("cat\ndog\nship\n\n")
    rows = write_cifar(tmp_path / "train.bin", 4, 2)
    write_cifar(tmp_path / "test.bin", 2, 2)
    splits, names = read_images("cifar100", tmp_path)
    assert names == ("apple", "bee", "wolf")
    np.testing.assert_array_equal(splits["train"].targets, rows[:, 1])
    image = splits["train"].images[1]
    for channel in range(3):
        plane = rows[1, 2 + 1024 * channel :][:1024].reshape(32, 32)
        np.testing.assert_array_equal(image[..., channel], plane)
    for number in range(1, 6):
        write_cifar(tmp_path / f"data_batch_{number}.bin", number, 1)
    write_cifar(tmp_path / "test_batch.bin", 2, 1)
    splits, names = read_images("cifar10", tmp_path)
    assert (len(splits["train"].targets), names) == (15, ("cat", "dog", "ship"))


@pytest.mark.parametrize("layout", Layout)
def test_what_is_written_is_read_by_the_application(
    tmp_path: Path, layout: Layout
) -> None:
    from trainers.configuration import load_experiment
    from trainers.stages import open_task

    source, output = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "fine_label_names.txt").write_text("apple\nbee\nwolf\n")
    rows = {n: write_cifar(source / f"{n}.bin", 12, 2) for n in ("train", "test")}
    for each in rows.values():
        each[:, 1] = np.arange(12) % 3
    for name, each in rows.items():
        (source / f"{name}.bin").write_bytes(each.tobytes())
    section = prepare_images("cifar100", source, output, layout)
    model = {
        **{"kind": "googlenet", "variant": "bn", "input_shape": [32, 32, 3]},
        **{"num_classes": 3, "stem": "small", "width_multiplier": 0.125, "heads": []},
    }
    experiment: Any = load_experiment(
        "googlenet/tiny",
        [
            f"data={json.dumps({**section, 'batch_size': 4})}",
            f"model={json.dumps(model)}",
            "objective.auxiliary_weights={}",
        ],
    )
    task = open_task(experiment, experiment.data)
    batches = list(task.dataset("test"))
    labels = np.concatenate([b["label"][b["weight"] > 0] for b in batches])
    np.testing.assert_array_equal(np.bincount(labels), [4, 4, 4])


HEAD = b"\x00\x00\x08\x01"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "0x0000 and 0 bytes"),
        (HEAD + b"\x00", "0x0801 and 5 bytes"),
        (HEAD + b"\x00\x00\x00\x05" + bytes(4), "0x0801 and 12 bytes"),
        (HEAD + b"\x00\x00\x00\x05" + bytes(6), "0x0801 and 14 bytes"),
        (b"\x00\x00\x08\x03\x00\x00\x00\x05" + bytes(5), "0x0803 and 13 bytes"),
        (HEAD + b"\x00\x00\x00\x04" + bytes(4), r"Expected 5\s+labels\. Received 4"),
        (HEAD + b"\x00\x00\x00\x05\x09\x0a\x0b\x00\x00", "0 to 9.*10, and 2 such"),
    ],
    ids=["missing", "empty", "head", "short", "long", "images", "fewer", "unknown"],
)
def test_damaged_mnist(tmp_path: Path, content: bytes | None, message: str) -> None:
    write_mnist(tmp_path, {"train": 5, "t10k": 3})
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.unlink()
    if content is not None:
        labels.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_images("mnist", tmp_path)


def test_damaged_archive(tmp_path: Path) -> None:
    write_mnist(tmp_path, {"train": 5, "t10k": 3})
    packed = tmp_path / "train-images-idx3-ubyte.gz"
    content = packed.read_bytes()
    for damaged in (content[:-9], content[:100] + b"\xff" * 50 + content[150:]):
        packed.write_bytes(damaged)
        with pytest.raises(DataError, match=r"ubyte\.gz cannot be read"):
            read_images("mnist", tmp_path)


def test_damaged_cifar(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--source: where mnist is"):
        prepare_images("mnist", None, tmp_path, Layout.FOLDER)
    names = tmp_path / "fine_label_names.txt"
    names.write_text("apple\nbee\nwolf\n")
    rows = write_cifar(tmp_path / "test.bin", 3, 2)
    rows[1, 1] = 3
    (tmp_path / "train.bin").write_bytes(rows.tobytes())
    with pytest.raises(DataError, match=r"0 to 2\. Received 3, and 1 such"):
        read_images("cifar100", tmp_path)
    for content in (b"", rows.tobytes()[:-1]):
        (tmp_path / "train.bin").write_bytes(content)
        with pytest.raises(DataError, match=r"train\.bin is cut off .* 3,074 bytes"):
            read_images("cifar100", tmp_path)
    write_cifar(tmp_path / "train.bin", 3, 2)
    names.write_text("apple\nbee\nbee\n")
    with pytest.raises(DataError, match="Received 3 names, 2 different"):
        read_images("cifar100", tmp_path)


@pytest.mark.slow
def test_from_published_files_to_two_steps(tmp_path: Path) -> None:
    source, output, runner = tmp_path / "mnist", tmp_path / "out", CliRunner()
    source.mkdir()
    write_mnist(source, {"train": 40, "t10k": 10})
    told = ("--source", str(source), "--output", str(output), "--format", "records")
    section = runner.invoke(app, ["data", "prepare", "mnist", *told])
    assert section.exit_code == 0
    values: Any = YAML(typ="safe").load(Path("configs/googlenet/tiny.yaml"))
    values |= YAML(typ="safe").load(section.stdout)
    values["data"] |= {"batch_size": 8, "max_bad_fraction": 0}
    values["model"] |= {"input_shape": [28, 28, 1], "heads": []}
    values["objective"]["auxiliary_weights"] = {}
    values["run"] = {"steps": 2}
    config = tmp_path / "mnist.json"
    config.write_text(json.dumps(values))
    checked = runner.invoke(app, ["data", "check", str(config)])
    assert checked.exit_code == 0
    assert "40" in checked.stdout
    run = tmp_path / "run"
    trained = runner.invoke(app, ["train", str(config), "--workdir", str(run)])
    assert trained.exit_code == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert 0 < metrics["test/loss"] < 10
