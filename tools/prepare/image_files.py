"""MNIST and CIFAR in the binary files that they are published in."""

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError

_SIDE, _CHANNELS = 32, 3
_IDX = {1: 0x0801, 3: 0x0803}
"""What a file of unsigned bytes begins with, by the number of its axes."""


class Labelled(NamedTuple):
    """Images of a split."""

    images: np.ndarray
    """uint8 [n, height, width, channels]."""
    targets: np.ndarray
    """int64 [n], class numbers."""

    @property
    def rows(self) -> np.ndarray:
        """Numbers of the images, int64 [n]."""
        return np.arange(len(self.targets))


def read_images(name: str, folder: Path) -> tuple[dict[str, Labelled], tuple[str, ...]]:
    """Both splits of a data set, and the names of its classes.

    Args:
      name: ``mnist``, ``cifar10`` or ``cifar100``.
      folder: where its files are, as they were published; MNIST's may be packed.

    Raises:
      DataError: a file is missing, cut off or of another kind, or a label is that of
        no class.
    """
    read = {"mnist": _mnist, "cifar10": _cifar10, "cifar100": _cifar100}[name]
    splits, names = read(folder)
    for split, found in splits.items():
        unknown = found.targets[found.targets >= len(names)]
        if len(unknown):
            raise DataError(
                f"the {split} labels in {folder} are damaged. Expected numbers of the"
                f" {len(names)} classes, 0 to {len(names) - 1}. Received"
                f" {int(unknown[0])}, and {len(unknown):,} such in all; load again."
            )
    return splits, names


def _mnist(folder: Path) -> tuple[dict[str, Labelled], tuple[str, ...]]:
    splits = {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        images = _idx(folder / f"{stem}-images-idx3-ubyte", 3)
        targets = _idx(folder / f"{stem}-labels-idx1-ubyte", 1)
        _agree(len(images), len(targets), folder / f"{stem}-labels-idx1-ubyte")
        splits[split] = Labelled(images[..., None], targets.astype(np.int64))
    return splits, tuple("0123456789")


def _idx(path: Path, axes: int) -> np.ndarray:
    """An array of unsigned bytes with so many axes."""
    packed = path.with_name(f"{path.name}.gz")
    content = _content(path if path.exists() or not packed.exists() else packed)
    start = 4 + 4 * axes
    sizes = [int.from_bytes(content[n : n + 4], "big") for n in range(4, start, 4)]
    magic = int.from_bytes(content[:4], "big")
    if magic != _IDX[axes] or len(content) != start + math.prod(sizes):
        raise DataError(
            f"{path} is damaged or of another kind. Expected unsigned bytes in IDX with"
            f" {axes} axes, {_IDX[axes]:#06x} first, and as many as it says. Received"
            f" {magic:#06x} and {len(content):,} bytes; load it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def _cifar10(folder: Path) -> tuple[dict[str, Labelled], tuple[str, ...]]:
    train = [_batch(folder / f"data_batch_{n}.bin", 1) for n in range(1, 6)]
    joined = Labelled(*(np.concatenate(parts) for parts in zip(*train, strict=True)))
    names = _names(folder / "batches.meta.txt")
    return {"train": joined, "test": _batch(folder / "test_batch.bin", 1)}, names


def _cifar100(folder: Path) -> tuple[dict[str, Labelled], tuple[str, ...]]:
    splits = {split: _batch(folder / f"{split}.bin", 2) for split in ("train", "test")}
    return splits, _names(folder / "fine_label_names.txt")


def _batch(path: Path, labels: int) -> Labelled:
    """Rows of labels, of which the last one counts, and of planes of colours."""
    content = np.frombuffer(_content(path), np.uint8)
    width = labels + _CHANNELS * _SIDE**2
    if not len(content) or len(content) % width:
        raise DataError(
            f"{path} is cut off or of another kind. Expected rows of {width:,} bytes."
            f" Received {len(content):,} bytes; load it again."
        )
    rows = content.reshape(-1, width)
    planes = rows[:, labels:].reshape(-1, _CHANNELS, _SIDE, _SIDE)
    return Labelled(planes.transpose(0, 2, 3, 1), rows[:, labels - 1].astype(np.int64))


def _names(path: Path) -> tuple[str, ...]:
    names = tuple(_content(path).decode("utf-8", "replace").split())
    if not names or len(set(names)) < len(names):
        raise DataError(
            f"{path} does not name the classes. Expected a name a line, each another."
            f" Received {len(names)} names, {len(set(names))} different; load it again."
        )
    return names


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read. Expected a file of the data set as it was"
            f" published. Received: {error}; correct --source."
        ) from None


def _agree(images: int, labels: int, path: Path) -> None:
    if images != labels:
        raise DataError(
            f"{path} does not belong to the images beside it. Expected {images:,}"
            f" labels. Received {labels:,}; load both again."
        )
