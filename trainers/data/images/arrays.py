"""Images that fit into memory: arrays, and the digits that scikit-learn ships."""

from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainers.data.config import DigitsData

_NUM_TRAIN = 1437
"""Rows before this one were written by other people than the rows from it on."""


class Digits(NamedTuple):
    """Handwritten digits of one split."""

    images: np.ndarray
    """uint8 [n, 8, 8, 1], 0 to 255."""
    targets: np.ndarray
    """int32 [n], 0 to 9."""
    rows: range
    """Row numbers in scikit-learn's data set."""


class ArraySource:
    """Labelled images in memory."""

    in_batches = True

    def __init__(
        self, images: np.ndarray, targets: np.ndarray, labels: tuple[str, ...]
    ) -> None:
        """Takes uint8 images [n, h, w, C] and their class numbers, int32 [n]."""
        self.labels = labels
        self.size = len(images)
        # Input pipelines run on the host: constants must not start on an accelerator.
        with tf.device("/CPU:0"):
            self._images = tf.constant(images, tf.uint8)
            self._targets = tf.constant(targets, tf.int32)

    def read(self, index: tf.Tensor, num_channels: int) -> dict[str, tf.Tensor]:
        """See `Source.read`; `index` may be int64 [] or [b]."""
        images = tf.gather(self._images, index)
        if num_channels != images.shape[-1]:
            images = _to_channels(images, num_channels)
        return {
            "image": images,
            "label": tf.gather(self._targets, index),
            "bad": tf.zeros_like(index, tf.bool),
        }

    def problem(self, index: int, num_channels: int) -> str:
        """See `Source.problem`; arrays have none."""
        return ""

    def name(self, index: int) -> str:
        """See `Source.name`."""
        return f"row {index}"


def load_digits(split: str) -> Digits:
    """The split "train" or "test" of the handwritten digits, in their published order.

    The pixel values 0 to 16 become ``round(value * 255 / 16)``.
    """
    table = np.loadtxt(_shipped_digits(), np.float32, delimiter=",")
    values, targets = table[:, :-1], table[:, -1]
    pixels = np.round(values * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1)
    rows = {"train": range(_NUM_TRAIN), "test": range(_NUM_TRAIN, len(pixels))}[split]
    part = slice(rows.start, rows.stop)
    return Digits(pixels[part], targets[part].astype(np.int32), rows)


def _shipped_digits() -> Path:
    """The file, without importing scikit-learn, which takes seconds."""
    shipped = distribution("scikit-learn")
    return Path(str(shipped.locate_file("sklearn/datasets/data/digits.csv.gz")))


def open_digits(config: DigitsData, split: str) -> ArraySource:
    """Opens one split of the digits."""
    digits = load_digits(split)
    return ArraySource(digits.images, digits.targets, tuple("0123456789"))


def _to_channels(images: tf.Tensor, num_channels: int) -> tf.Tensor:
    if num_channels == 3:
        return tf.image.grayscale_to_rgb(images)
    return tf.image.rgb_to_grayscale(images)
