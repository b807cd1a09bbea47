"""Canvases with several real handwritten digits, and the boxes around them."""

import functools
from typing import NamedTuple

import numpy as np

from trainers.data.detection.config import DigitCanvasesData
from trainers.data.images.arrays import load_digits

_TRIES = 30
# Of 255: fainter pixels are not what a person would box.
_INK = 64


class BoxedImages(NamedTuple):
    """Images of one split with their objects."""

    images: np.ndarray
    """uint8 [n, H, W, C]."""
    boxes: np.ndarray
    """float32 [n, M, 4]: top, left, bottom, right in shares of the image; zeros where
    an image has fewer than M objects."""
    labels: np.ndarray
    """int32 [n, M], -1 where it has fewer."""


def digit_canvases(config: DigitCanvasesData, split: str) -> BoxedImages:
    """Makes the canvases of the split "train" or "test"."""
    digits = load_digits(split)
    number = {"train": config.train_examples, "test": config.test_examples}[split]
    random = np.random.default_rng([config.origin, ("train", "test").index(split)])
    side, most = config.side, config.objects[1]
    made = BoxedImages(
        np.zeros([number, side, side, 1], np.uint8),
        np.zeros([number, most, 4], np.float32),
        np.full([number, most], -1, np.int32),
    )
    for index in range(number):
        wanted = random.integers(config.objects[0], most + 1)
        placed: list[np.ndarray] = []
        for _ in range(_TRIES):
            if len(placed) == wanted:
                break
            row = random.integers(len(digits.images))
            size = round(8 * random.uniform(*config.scale))
            top, left = random.integers(0, side - size + 1, 2)
            digit = enlarged(digits.images[row, :, :, 0], size)
            box = ink(digit) + np.array([top, left, top, left])
            if any(_touch(box, other) for other in placed):
                continue
            canvas = made.images[index, top : top + size, left : left + size, 0]
            np.maximum(canvas, digit, out=canvas)
            made.boxes[index, len(placed)] = box / side
            made.labels[index, len(placed)] = digits.targets[row]
            placed.append(box)
    return made


def enlarged(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes uint8 [8, 8] to [size, size], bilinear with half-pixel centres."""
    weights = _weights(size)
    pixels = weights @ image.astype(np.float64) @ weights.T
    return np.rint(pixels).astype(np.uint8)


@functools.cache
def _weights(size: int) -> np.ndarray:
    """Share of each of 8 source pixels in each of `size` pixels, float64 [size, 8]."""
    places = np.clip((np.arange(size) + 0.5) * 8 / size - 0.5, 0, 7)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(8)))


def ink(digit: np.ndarray) -> np.ndarray:
    """The tight box of what is visible: top, left, bottom, right in pixels."""
    rows, columns = (np.flatnonzero((digit >= _INK).any(axis=axis)) for axis in (1, 0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])


def _touch(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.all(first[:2] < second[2:]) and np.all(second[:2] < first[2:]))
