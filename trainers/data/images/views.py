"""Several views of one image: the crops of published evaluations.

The side s of the input decides all sizes. Published ones are for 224 pixels; others
follow in proportion, rounded (299: 342, 384, 427, 470).
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfmodels.errors import ConfigError

_SHORT_SIDES = (256, 288, 320, 352)
_PUBLISHED = 224


class _Square(NamedTuple):
    """A square part of a resized image."""

    top: tf.Tensor
    left: tf.Tensor
    side: int


def short_sides(side: int) -> list[int]:
    """The four sizes of 144 crops, for an input of another size than 224 pixels."""
    return [round(size * side / _PUBLISHED) for size in _SHORT_SIDES]


def views(
    image: tf.Tensor, input_shape: tuple[int, int, int], number: int
) -> tf.Tensor:
    """Cuts views out of an image, each followed, at half of them, by its mirror image.

    - 10: the image with its short side at the first of `short_sides`; its four corners
      and its centre.
    - 12: the central square of that image; its corners, its centre, and the square
      itself, resized.
    - 144: short side at each of the four; the squares at the left, in the middle and
      at the right, or at the top, in the middle and at the bottom; of each square the
      six views of 12 (arXiv 1409.4842, section 7). Those of square images are all
      three the same.

    Args:
      image: uint8 or float32 [h, w, C], of any size.
      input_shape: height, width and channels of the model's input; a square.
      number: 10, 12 or 144.

    Returns:
      float32 [number, s, s, C]: first all views, then all of them mirrored.

    Raises:
      ConfigError: the input is no square.
    """
    height, width, _ = input_shape
    if height != width:
        raise ConfigError(
            "task.crops: published crops are squares. Expected a model.input_shape that"
            f" is as high as wide, or task.crops: 1. Received {height} x {width}."
        )
    image = tf.cast(image, tf.float32)
    found: list[tf.Tensor] = []
    for short in short_sides(height)[: 4 if number == 144 else 1]:
        resized = _with_short_side(image, short)
        if number == 10:
            found += _corners_and_centre(resized, height)
            continue
        squares = _squares(resized, short)
        for square in squares if number == 144 else squares[1:2]:
            end, right = square.top + square.side, square.left + square.side
            part = resized[square.top : end, square.left : right]
            found += _corners_and_centre(part, height)
            found.append(tf.image.resize(part, [height, height]))
    upright = tf.ensure_shape(tf.stack(found), [number // 2, *input_shape])
    return tf.concat([upright, upright[:, :, ::-1]], axis=0)


def _with_short_side(image: tf.Tensor, short: int) -> tf.Tensor:
    """Resizes so that the short side is `short` and the long one follows, cut off."""
    size = tf.shape(image)[:2]
    resized = size * short // tf.reduce_min(size)
    return tf.image.resize(image, resized)


def _squares(image: tf.Tensor, short: int) -> Sequence[_Square]:
    """The squares at both ends of the long side and in its middle."""
    room = tf.shape(image)[:2] - short
    return [
        _Square(top, left, short)
        for top, left in (tf.unstack(room * number // 2) for number in range(3))
    ]


def _corners_and_centre(image: tf.Tensor, side: int) -> list[tf.Tensor]:
    """Top left, top right, bottom left, bottom right, centre: float32 [s, s, C]."""
    bottom, right = tf.unstack(tf.shape(image)[:2] - side)
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
    return [
        image[top : top + side, left : left + side]
        for top, left in [*places, (bottom // 2, right // 2)]
    ]
