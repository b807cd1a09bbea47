"""One image per file: folders in the ImageNet layout, and manifests."""

import csv
import functools
import io
import json
import os
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.errors import DataError
from trainers.data.config import ImageFolderData
from trainers.data.config import ManifestData
from trainers.data.images.decoding import EncodedSource

SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".gif", ".webp")
"""What names of image files end with, in small or capital letters."""

_COLUMNS = ("path", "label")


class FileSource(EncodedSource):
    """Labelled images, each in a file of its own."""

    def __init__(
        self, paths: list[str], targets: list[int], labels: tuple[str, ...]
    ) -> None:
        """Takes one path and one class number per image."""
        super().__init__(labels)
        self.size = len(paths)
        with tf.device("/CPU:0"):
            self._paths = tf.constant(np.array(paths, object), tf.string)
            self._targets = tf.constant(targets, tf.int32)

    def element(self, index: tf.Tensor) -> tf.data.Dataset:
        """See `EncodedSource.element`."""
        return tf.data.Dataset.from_tensors(index).map(
            lambda i: (tf.io.read_file(self._paths[i]), self._targets[i])
        )

    def name(self, index: int) -> str:
        """See `Source.name`: the path."""
        return str(self._paths[index].numpy().decode())


def open_folder(config: ImageFolderData, split: str) -> FileSource:
    """Opens one split of a folder of images; the training folders name the classes.

    Raises:
      DataError: a folder is missing, has no class, no image, or an unknown class.
    """
    root = Path(config.path)
    labels = _class_folders(root / config.train, "train")
    folder = root / str(getattr(config, split))
    paths: list[str] = []
    targets: list[int] = []
    for label in _class_folders(folder, split):
        if label not in labels:
            raise DataError(
                f"class folder {folder / label} is unknown. Expected one of the classes"
                f" of {root / config.train}: {_some(labels)}. Received {label!r}; see"
                f" data.{split}."
            )
        images = sorted(_images(folder / label))
        paths += images
        targets += [labels.index(label)] * len(images)
    return FileSource(paths, targets, labels)


def open_manifest(config: ManifestData, split: str) -> FileSource:
    """Opens one split of manifests; the training manifest names the classes.

    Raises:
      DataError: a manifest or an image is missing, a column is missing, a line is
        incomplete, there is no line at all, or a label is unknown.
    """
    rows = list(_manifest_rows(config, split))
    training = rows if split == "train" else _manifest_rows(config, "train")
    labels = tuple(sorted({row.label for row in training}))
    numbers = {label: number for number, label in enumerate(labels)}
    for row in rows:
        if row.label not in numbers:
            raise DataError(
                f"{row.where}: unknown label. Expected one of the classes of"
                f" {config.train}: {_some(labels)}. Received {row.label!r}; see"
                f" data.{split}."
            )
    return FileSource(
        [row.path for row in rows], [numbers[row.label] for row in rows], labels
    )


class _Row(NamedTuple):
    where: str
    path: str
    label: str


def _class_folders(folder: Path, split: str) -> tuple[str, ...]:
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {folder}. Expected the {split} images there, one"
            f" folder per class. Received data.path and data.{split}; correct them."
        )
    names = sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.is_dir() and not entry.name.startswith(".")
    )
    if not names:
        raise DataError(
            f"{folder} has no class folders. Expected one folder of images per class."
            f" Received none; correct data.path or data.{split}."
        )
    return tuple(names)


def _images(folder: Path) -> list[str]:
    images = [
        entry.path
        for entry in os.scandir(folder)
        if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
    ]
    if not images:
        raise DataError(
            f"class folder {folder} is empty. Expected at least one file ending in"
            f" {', '.join(SUFFIXES)}. Received none; add images or remove the folder."
        )
    return images


def _manifest_rows(config: ManifestData, split: str) -> Iterator[_Row]:
    manifest = Path(str(getattr(config, split)))
    root = Path(config.root) if config.root else manifest.parent
    files_in = functools.cache(_names)
    for row in _lines(manifest, split):
        path = root / row.path
        if path.name not in files_in(path.parent):
            raise DataError(
                f"{row.where}: there is no file {path}. Expected a path that starts"
                f" from {root} (data.root). Received {row.path!r}."
            )
        yield row._replace(path=str(path))


def _lines(manifest: Path, split: str) -> Iterator[_Row]:
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the manifest {manifest}. Expected a CSV or JSONL file in"
            f" UTF-8. Received {error}; correct data.{split}."
        ) from None
    read = _objects if manifest.suffix == ".jsonl" else _rows
    empty = True
    for number, fields in read(manifest, text):
        where = f"{manifest}, line {number}"
        empty = False
        path, label = (fields.get(name) for name in _COLUMNS)
        if not path or label in (None, ""):
            raise DataError(
                f"{where}: incomplete. Expected a path and a label. Received"
                f" path {path!r}, label {label!r}."
            )
        yield _Row(where, str(path), str(label))
    if empty:
        raise DataError(
            f"the manifest {manifest} is empty. Expected a line per image. Received"
            f" none; correct data.{split}."
        )


def _rows(manifest: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Lines of a CSV file with their numbers."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{manifest}, line 1: no column {' and no column '.join(missing)}. Expected"
            f" the columns {', '.join(_COLUMNS)}. Received"
            f" {', '.join(reader.fieldnames or ['nothing'])}."
        )
    for fields in reader:
        yield reader.line_num, fields


def _objects(manifest: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Lines of a JSONL file with their numbers."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except json.JSONDecodeError:
            fields = None
        if not isinstance(fields, dict):
            raise DataError(
                f"{manifest}, line {number}: no JSON object. Expected one with the keys"
                f" {', '.join(_COLUMNS)}. Received {line[:80]!r}."
            )
        yield number, fields


def _names(folder: Path) -> frozenset[str]:
    """File names in a folder, asked once per folder: a file each would be slow."""
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()


def _some(labels: tuple[str, ...]) -> str:
    return ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
