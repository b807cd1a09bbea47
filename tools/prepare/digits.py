"""Writes scikit-learn's digits as files, to show the layouts and to try them out."""

import csv
import enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.data.images.arrays import Digits

_NUM_SHARDS = 4
_FOLDERS = {"train": "train", "test": "val"}
_NAMES = tuple("0123456789")


class Layout(enum.StrEnum):
    """How a data set lies on disk."""

    FOLDER = "folder"
    """``<split>/<class>/<image>.png``."""
    MANIFEST = "manifest"
    """Images in one folder; ``train.csv`` and ``val.csv`` say which is what."""
    RECORDS = "records"
    """TFRecord shards of ``tf.train.Example`` and ``labels.txt``."""


def prepare_digits(output: Path, layout: Layout) -> dict[str, str]:
    """Writes both splits of the digits below `output`, replacing earlier files.

    Returns:
      The section `data` of an experiment that reads them, without `batch_size`.
    """
    from trainers.data.images.arrays import load_digits

    for split, folder in _FOLDERS.items():
        digits = load_digits(split)
        if layout is Layout.FOLDER:
            _write_images(digits, [output / folder / name for name in _NAMES])
        elif layout is Layout.MANIFEST:
            paths = _write_images(digits, [output / "images"] * len(_NAMES))
            _write_manifest(digits, paths, output / f"{folder}.csv")
        else:
            _write_records(digits, output, folder)
    if layout is Layout.FOLDER:
        return {"kind": "image_folder", "path": str(output)}
    if layout is Layout.MANIFEST:
        tables = {
            split: str(output / f"{name}.csv") for split, name in _FOLDERS.items()
        }
        return {"kind": "manifest", **tables}
    labels = output / "labels.txt"
    labels.write_text("".join(f"{name}\n" for name in _NAMES), encoding="utf-8")
    shards = {split: str(output / f"{name}-*") for split, name in _FOLDERS.items()}
    return {"kind": "image_records", **shards, "labels": str(labels)}


def _pngs(digits: "Digits") -> list[bytes]:
    import tensorflow as tf

    return [tf.io.encode_png(image).numpy() for image in digits.images]


def _write_images(digits: "Digits", folders: list[Path]) -> list[Path]:
    """Writes each image into the folder of its class and returns the paths."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for row, target, png in zip(
        digits.rows, digits.targets, _pngs(digits), strict=True
    ):
        path = folders[target] / f"{row:04d}.png"
        path.write_bytes(png)
        paths.append(path)
    return paths


def _write_manifest(digits: "Digits", paths: list[Path], table: Path) -> None:
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for path, target in zip(paths, digits.targets, strict=True):
            writer.writerow([path.relative_to(table.parent), _NAMES[target]])


def _write_records(digits: "Digits", output: Path, name: str) -> None:
    import tensorflow as tf

    output.mkdir(parents=True, exist_ok=True)
    pngs, targets = _pngs(digits), digits.targets
    for shard in range(_NUM_SHARDS):
        path = output / f"{name}-{shard:05d}-of-{_NUM_SHARDS:05d}"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for png, target in zip(
                pngs[shard::_NUM_SHARDS], targets[shard::_NUM_SHARDS], strict=True
            ):
                writer.write(_example(png, int(target)))


def _example(png: bytes, target: int) -> bytes:
    import tensorflow as tf

    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[png]))
    label = tf.train.Feature(int64_list=tf.train.Int64List(value=[target]))
    feature = {"image/encoded": image, "image/class/label": label}
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return bytes(example.SerializeToString())
