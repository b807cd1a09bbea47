"""From the scores of all cells to the objects of an image: non-maximum suppression."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.detection.boxes import overlap


class Found(NamedTuple):
    """Objects of each image, the surest first; rows past the last hold -1."""

    classes: tf.Tensor
    """int32 [b, D]."""
    cells: tf.Tensor
    """int32 [b, D], which cells found them."""


def suppress(
    probabilities: Any,
    boxes: Any,
    max_overlap: float,
    min_score: float,
    max_objects: int,
    max_candidates: int = 100,
) -> Found:
    """Keeps, class by class, boxes that no surer box of the class overlaps.

    All in graph code of plain operations, the same as TensorFlow's own kernel.

    Args:
      probabilities: float32 [b, N, K].
      boxes: float32 [b, N, 4], the same for all classes.
      max_overlap: of two boxes of a class that overlap more, the less sure is left out.
      min_score: less probable objects are left out.
      max_objects: D.
      max_candidates: so many pairs of cell and class, the most probable, are looked at.
    """
    num_classes = probabilities.shape[-1]
    flat = tf.reshape(probabilities, [tf.shape(probabilities)[0], -1])
    count = min(max_candidates, flat.shape[-1] or max_candidates)
    scores, numbers = tf.math.top_k(flat, count)
    cells, classes = numbers // num_classes, numbers % num_classes
    candidates = tf.gather(boxes, cells, axis=1, batch_dims=1)
    rivals = overlap(candidates, candidates) > max_overlap
    rivals &= classes[:, :, None] == classes[:, None, :]
    # Each only against those after it, which are less sure.
    rivals &= tf.range(count)[:, None] < tf.range(count)[None, :]

    def decide(number: tf.Tensor, kept: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        beaten = rivals[:, number] & kept[:, number, None]
        return number + 1, kept & ~beaten

    _, kept = tf.while_loop(
        lambda number, _: number < count, decide, (0, scores >= min_score)
    )
    order = tf.argsort(tf.cast(~kept, tf.int32), axis=-1, stable=True)
    first = order[:, :max_objects]
    exists = tf.gather(kept, first, axis=1, batch_dims=1)
    found = [
        tf.where(exists, tf.gather(values, first, axis=1, batch_dims=1), -1)
        for values in (classes, cells)
    ]
    missing = max(0, max_objects - count)
    padded = [tf.pad(v, [[0, 0], [0, missing]], constant_values=-1) for v in found]
    return Found(*padded)
