"""Boxes, the cells that place them, and which cell is taught which object.

A box is (top, left, bottom, right) in shares of the image's height and width.
"""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Grid(NamedTuple):
    """The cells of all maps of a detector."""

    cells: np.ndarray
    """float32 [N, 4]: centre (y, x), and height and width of the boxes it is for."""
    steps: np.ndarray
    """float32 [N, 2]: distance to the neighbours' centres, down and across."""


def make_grid(maps: Sequence[tuple[int, int]], size: float) -> Grid:
    """The cells of maps of so many rows and columns, row by row.

    Args:
      maps: height and width of each map, in positions.
      size: of the boxes that a cell is for, in cells.
    """
    centres, steps = [], []
    for height, width in maps:
        rows, columns = (np.arange(n) + 0.5 for n in (height, width))
        y, x = np.meshgrid(rows / height, columns / width, indexing="ij")
        centres.append(np.stack([y.ravel(), x.ravel()], axis=-1))
        steps.append(np.tile([[1 / height, 1 / width]], [height * width, 1]))
    step = np.concatenate(steps)
    cells = np.concatenate([np.concatenate(centres), size * step], axis=-1)
    return Grid(cells.astype(np.float32), step.astype(np.float32))


def encode(boxes: Any, cells: Any) -> tf.Tensor:
    """Boxes as seen from cells: ``(cy - y) / h, (cx - x) / w, log(H / h), log(W / w)``.

    Args:
      boxes: float32 [..., 4].
      cells: float32 [..., 4], see `Grid`.

    Returns:
      float32 [..., 4].
    """
    top, left, bottom, right = tf.unstack(boxes, axis=-1)
    y, x, height, width = tf.unstack(cells, axis=-1)
    return tf.stack(
        [
            ((top + bottom) / 2 - y) / height,
            ((left + right) / 2 - x) / width,
            tf.math.log((bottom - top) / height),
            tf.math.log((right - left) / width),
        ],
        axis=-1,
    )


def decode(offsets: Any, cells: Any) -> tf.Tensor:
    """The inverse of `encode`, cut off at the image's border.

    Args:
      offsets: float32 [..., 4].
      cells: float32 [..., 4], see `Grid`.

    Returns:
      float32 [..., 4], 0 to 1.
    """
    dy, dx, log_height, log_width = tf.unstack(offsets, axis=-1)
    y, x, height, width = tf.unstack(cells, axis=-1)
    centre_y, centre_x = y + dy * height, x + dx * width
    half_height = tf.exp(log_height) * height / 2
    half_width = tf.exp(log_width) * width / 2
    boxes = tf.stack(
        [
            centre_y - half_height,
            centre_x - half_width,
            centre_y + half_height,
            centre_x + half_width,
        ],
        axis=-1,
    )
    return tf.clip_by_value(boxes, 0.0, 1.0)


def overlap(first: Any, second: Any) -> tf.Tensor:
    """Area that two boxes share over the area that they cover together.

    Args:
      first: float32 [..., n, 4].
      second: float32 [..., m, 4].

    Returns:
      float32 [..., n, m], 0 to 1; 0 for boxes without area.
    """
    first, second = first[..., :, None, :], second[..., None, :, :]
    corner = tf.maximum(first[..., :2], second[..., :2])
    opposite = tf.minimum(first[..., 2:], second[..., 2:])
    shared = tf.reduce_prod(tf.maximum(opposite - corner, 0.0), axis=-1)
    areas = [
        tf.reduce_prod(box[..., 2:] - box[..., :2], axis=-1) for box in (first, second)
    ]
    return tf.math.divide_no_nan(shared, areas[0] + areas[1] - shared)


class Taught(NamedTuple):
    """What each cell is taught."""

    labels: tf.Tensor
    """int32 [b, N], -1 where there is no object."""
    boxes: tf.Tensor
    """float32 [b, N, 4], any box where there is none."""


def assign(boxes: Any, labels: Any, grid: Grid, reach: float) -> Taught:
    """Gives objects to the cells around their centres, at the level of their size.

    Where a cell is near two objects it gets the nearer one.

    Args:
      boxes: float32 [b, M, 4].
      labels: int32 [b, M], -1 for no object.
      grid: N cells.
      reach: how far away a cell's centre may be, in cells, down and across.
    """
    exists = labels >= 0
    # Of boxes that stand for nothing the sizes must not be zero either.
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 1e-6)
    log_size = tf.reduce_mean(tf.math.log(sides), axis=-1)
    log_cell = np.log(grid.cells[:, 2:]).mean(axis=-1)
    mismatch = tf.abs(log_size[:, None, :] - log_cell[:, None])
    suits = mismatch <= tf.reduce_min(mismatch, axis=1, keepdims=True) + 1e-4
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    away = tf.abs(centres[:, None] - grid.cells[:, None, :2]) / grid.steps[:, None]
    distance = tf.where(
        suits & exists[:, None, :], tf.reduce_max(away, axis=-1), np.inf
    )
    nearest = tf.argmin(distance, axis=-1, output_type=tf.int32)
    taught = tf.reduce_min(distance, axis=-1) <= reach + 1e-6
    found = tf.gather(labels, nearest, axis=1, batch_dims=1)
    return Taught(
        tf.where(taught, found, -1), tf.gather(boxes, nearest, axis=1, batch_dims=1)
    )
