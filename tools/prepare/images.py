"""Writes labelled images as files, scikit-learn's digits and published ones."""

import csv
import enum
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from tfmodels.errors import ConfigError

_NUM_SHARDS = 4
_FOLDERS = {"train": "train", "test": "val"}


class Layout(enum.StrEnum):
    """How a data set lies on disk."""

    FOLDER = "folder"
    """``<split>/<class>/<image>.png``."""
    MANIFEST = "manifest"
    """Images in one folder; ``train.csv`` and ``val.csv`` say which is what."""
    RECORDS = "records"
    """TFRecord shards of ``tf.train.Example`` and ``labels.txt``."""


class Images(Protocol):
    """Those of a split."""

    @property
    def images(self) -> np.ndarray:
        """uint8 [n, height, width, channels]."""

    @property
    def targets(self) -> np.ndarray:
        """int64 [n], class numbers."""

    @property
    def rows(self) -> Sequence[int] | np.ndarray:
        """A number for each image."""


def prepare_digits(output: Path, layout: Layout) -> dict[str, str]:
    """Writes both splits of scikit-learn's digits; see `write_images`."""
    from trainers.data.images.arrays import load_digits

    splits = {split: load_digits(split) for split in _FOLDERS}
    return write_images(splits, tuple("0123456789"), output, layout)


def prepare_images(
    name: str, source: Path | None, output: Path, layout: Layout
) -> dict[str, str]:
    """Writes both splits of a published data set; see `write_images`.

    Raises:
      ConfigError: there is no source.
      DataError: its files are missing or damaged.
    """
    from tools.prepare.image_files import read_images

    if source is None:
        raise ConfigError(
            f"--source: where {name} is must be said. Expected the folder of its files."
            " Received none."
        )
    splits, names = read_images(name, source)
    return write_images(splits, names, output, layout)


def write_images(
    splits: Mapping[str, Images], names: Sequence[str], output: Path, layout: Layout
) -> dict[str, str]:
    """Writes the splits ``train`` and ``test``, replacing earlier files.

    Args:
      splits: their images.
      names: of classes.
      output: below which folder.
      layout: how files lie there.

    Returns:
      The section `data` of an experiment that reads them, without `batch_size`.
    """
    for split, folder in _FOLDERS.items():
        images = splits[split]
        if layout is Layout.FOLDER:
            _write_images(images, [output / folder / name for name in names])
        elif layout is Layout.MANIFEST:
            paths = _write_images(images, [output / "images" / folder] * len(names))
            _write_manifest(images, paths, names, output / f"{folder}.csv")
        else:
            _write_records(images, output, folder)
    if layout is Layout.FOLDER:
        return {"kind": "image_folder", "path": str(output)}
    if layout is Layout.MANIFEST:
        tables = {
            split: str(output / f"{name}.csv") for split, name in _FOLDERS.items()
        }
        return {"kind": "manifest", **tables}
    labels = output / "labels.txt"
    labels.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    shards = {split: str(output / f"{name}-*") for split, name in _FOLDERS.items()}
    return {"kind": "image_records", **shards, "labels": str(labels)}


def _pngs(digits: Images) -> list[bytes]:
    import tensorflow as tf

    return [tf.io.encode_png(image).numpy() for image in digits.images]


def _write_images(digits: Images, folders: list[Path]) -> list[Path]:
    """Writes each image into the folder of its class and returns the paths."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for row, target, png in zip(
        digits.rows, digits.targets, _pngs(digits), strict=True
    ):
        path = folders[target] / f"{row:05d}.png"
        path.write_bytes(png)
        paths.append(path)
    return paths


def _write_manifest(
    digits: Images, paths: list[Path], names: Sequence[str], table: Path
) -> None:
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for path, target in zip(paths, digits.targets, strict=True):
            writer.writerow([path.relative_to(table.parent), names[target]])


def _write_records(digits: Images, output: Path, name: str) -> None:
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
