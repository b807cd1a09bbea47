"""Average precision and localisation error, from sums that add up over batches."""

from typing import Any
from typing import Literal
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.detection.boxes import overlap

COCO_OVERLAPS = tuple(0.5 + 0.05 * step for step in range(10))
"""COCO's thresholds; the first is also that of PASCAL VOC."""
_BINS = 4800
"""Scores count by bins of their log odds, from -12 to 12."""
_EXTREME = 12.0


class Objects(NamedTuple):
    """Objects of each image; of detections, the surest first."""

    boxes: Any
    """float32 [b, n, 4], see `tfmodels.detection.boxes`."""
    classes: Any
    """int32 [b, n], -1 for none."""


def needed_overlaps(truths: Any, height: int, width: int) -> tf.Tensor:
    """What a detection must reach: COCO's ten thresholds, and ILSVRC's rule.

    ILSVRC asks small objects for less: ``min(0.5, w h / ((w + 10) (h + 10)))`` of
    their size in pixels.

    Args:
      truths: boxes, float32 [b, M, 4].
      height: of the image, in pixels.
      width: of the image, in pixels.

    Returns:
      float32 [b, 11, M].
    """
    h = (truths[..., 2] - truths[..., 0]) * height
    w = (truths[..., 3] - truths[..., 1]) * width
    ilsvrc = tf.minimum(0.5, h * w / ((h + 10) * (w + 10)))
    coco = [tf.fill(tf.shape(ilsvrc), value) for value in COCO_OVERLAPS]
    return tf.stack([*coco, ilsvrc], axis=1)


def match(found: Objects, truths: Objects, needed: Any) -> tf.Tensor:
    """Which detections are right, each true object being found once.

    The surest detection chooses first: of the objects of its class that are not yet
    found, that with the largest overlap, if it is large enough. All others are wrong.

    Args:
      found: D detections.
      truths: M objects.
      needed: least overlap with each object, float32 [b, T, M].

    Returns:
      bool [b, T, D].
    """
    overlaps = overlap(found.boxes, truths.boxes)
    same = (found.classes[:, :, None] == truths.classes[:, None, :]) & (
        truths.classes[:, None, :] >= 0
    )
    overlaps = tf.where(same, overlaps, -1.0)
    num_truths = overlaps.shape[-1]

    def choose(
        state: tuple[tf.Tensor, tf.Tensor], overlaps: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        taken, _ = state
        able = ~taken & (overlaps[:, None, :] >= needed)
        best = tf.argmax(tf.where(able, overlaps[:, None, :], -1.0), axis=-1)
        right = tf.reduce_any(able, axis=-1)
        chosen = tf.one_hot(best, num_truths, True, False, dtype=tf.bool)
        return taken | (chosen & right[..., None]), right

    nothing = tf.zeros_like(needed, tf.bool)
    by_detection = tf.transpose(overlaps, [1, 0, 2])
    _, right = tf.scan(choose, by_detection, (nothing, nothing[..., 0]))
    return tf.transpose(right, [1, 2, 0])


def counts(
    right: Any, classes: Any, scores: Any, weights: Any, num_classes: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """How many detections there are of each class and score, and how many are right.

    Args:
      right: bool [b, T, D].
      classes: int32 [b, D], -1 for none.
      scores: float32 [b, D], probabilities.
      weights: float32 [b], 0 for padding.
      num_classes: K.

    Returns:
      float32 [K, S, T] right ones, and float32 [K, S] all; S bins of scores, the lowest
      first.
    """
    odds = tf.math.log(scores + 1e-12) - tf.math.log(1 - scores + 1e-12)
    place = (odds + _EXTREME) / (2 * _EXTREME) * _BINS
    bins = tf.cast(tf.clip_by_value(place, 0.0, _BINS - 1.0), tf.int32)
    weight = tf.where(classes >= 0, weights[:, None], 0.0)
    numbers = tf.reshape(tf.maximum(classes, 0) * _BINS + bins, [-1])
    hits = tf.cast(tf.transpose(right, [0, 2, 1]), tf.float32) * weight[..., None]
    segments = num_classes * _BINS
    rows = tf.reshape(hits, [-1, right.shape[1]])
    hits = tf.math.unsorted_segment_sum(rows, numbers, segments)
    every = tf.math.unsorted_segment_sum(tf.reshape(weight, [-1]), numbers, segments)
    return (
        tf.reshape(hits, [num_classes, _BINS, right.shape[1]]),
        tf.reshape(every, [num_classes, _BINS]),
    )


def objects_of_each_class(classes: Any, weights: Any, num_classes: int) -> tf.Tensor:
    """How many true objects there are: float32 [K], of classes int32 [b, M]."""
    one_hot = tf.one_hot(classes, num_classes)
    return tf.reduce_sum(one_hot * weights[:, None, None], axis=(0, 1))


Interpolation = Literal["all", "11", "101"]
"""all: the area under precision over recall (PASCAL VOC from 2010 on, ILSVRC); 11: its
mean at recalls 0, 0.1, ... (VOC 2007); 101: at 0, 0.01, ... (COCO)."""


def average_precision(
    right: np.ndarray, every: np.ndarray, num_truths: float, points: Interpolation
) -> float:
    """Average precision of one class, precision being the best at any higher recall.

    Args:
      right: right detections, float [S], by rising score.
      every: all detections, float [S].
      num_truths: objects that there are, more than 0.
      points: at which recalls.
    """
    hits, seen = np.cumsum(right[::-1]), np.cumsum(every[::-1])
    hits, seen = hits[seen > 0], seen[seen > 0]
    recall = hits / num_truths
    precision = np.maximum.accumulate((hits / seen)[::-1])[::-1]
    if points == "all":
        return float(np.sum(np.diff(recall, prepend=0.0) * precision))
    levels = np.linspace(0, 1, int(points))
    # The small number lets a recall of 3 / 10 be one of 0.3.
    places = np.searchsorted(recall, levels - 1e-9)
    return float(np.mean(np.append(precision, 0.0)[places]))


def mean_average_precision(
    right: np.ndarray, every: np.ndarray, truths: np.ndarray, points: Interpolation
) -> float:
    """Mean of the classes that there are objects of; 0 if there are none at all.

    Args:
      right: float [K, S], see `counts`.
      every: float [K, S].
      truths: objects of each class, float [K].
      points: see `average_precision`.
    """
    each = [
        average_precision(right[k], every[k], truths[k], points)
        for k in np.flatnonzero(truths)
    ]
    return float(np.mean(each)) if each else 0.0


def mislocalized(found: Objects, truths: Objects) -> tf.Tensor:
    """Whether none of an image's five surest answers has an object's label and place.

    ILSVRC's localisation error counts such images. The overlap must be 0.5 or more.

    Args:
      found: detections.
      truths: objects.

    Returns:
      float32 [b], 1 or 0.
    """
    boxes, classes = found.boxes[:, :5], found.classes[:, :5]
    near = overlap(boxes, truths.boxes) >= 0.5
    same = classes[:, :, None] == truths.classes[:, None, :]
    right = near & same & (truths.classes[:, None, :] >= 0)
    return 1 - tf.cast(tf.reduce_any(right, axis=(1, 2)), tf.float32)
