"""Average precision by hand, matching by brute force, the rules of ILSVRC."""

import numpy as np
import pytest

from tests.tfmodels.detection.test_boxes import random_boxes
from tfmodels.detection.boxes import overlap
from tfmodels.metrics.detection import Objects
from tfmodels.metrics.detection import average_precision
from tfmodels.metrics.detection import counts
from tfmodels.metrics.detection import match
from tfmodels.metrics.detection import mean_average_precision
from tfmodels.metrics.detection import mislocalized
from tfmodels.metrics.detection import needed_overlaps
from tfmodels.metrics.detection import objects_of_each_class

LEFT, RIGHT, BELOW = [0, 0, 0.5, 0.4], [0, 0.6, 0.5, 1], [0.5, 0, 1, 1]


def objects(boxes: list, classes: list[int]) -> Objects:
    return Objects(np.array([boxes], np.float32), np.array([classes], np.int32))


def test_average_precision_of_three_detections_by_hand() -> None:
    # Three objects; by falling score a right one, a duplicate of it, a right one.
    truths = objects([LEFT, RIGHT, BELOW], [0, 0, 0])
    found = objects([LEFT, LEFT, RIGHT], [0, 0, 0])
    right = match(found, truths, np.full([1, 1, 3], 0.5, np.float32))
    np.testing.assert_array_equal(right[0, 0], [True, False, True])
    scores = np.array([[0.9, 0.8, 0.7]], np.float32)
    weights = np.ones(1, np.float32)
    hits, every = counts(right, found.classes, scores, weights, 2)
    there = np.asarray(objects_of_each_class(truths.classes, weights, 2))
    np.testing.assert_array_equal(there, [3, 0])
    for points, expected in (("all", 5 / 9), ("11", 6 / 11)):
        value = mean_average_precision(
            hits.numpy()[..., 0], every.numpy(), there, points
        )
        assert value == pytest.approx(expected, abs=1e-6)
    # COCO's recalls: 34 up to 1/3 at precision 1, 33 more up to 2/3 at 2/3.
    value = average_precision(hits.numpy()[0, :, 0], every.numpy()[0], 3, "101")
    assert value == pytest.approx((34 + 33 * 2 / 3) / 101)
    nothing = counts(right, found.classes, scores, 0 * weights, 2)
    assert not any(np.any(sums) for sums in nothing)


def test_matching_is_greedy_as_loops_say() -> None:
    random = np.random.default_rng(0)
    truths = Objects(
        random_boxes(random, 5, 4), random.integers(-1, 2, (5, 4)).astype(np.int32)
    )
    near = truths.boxes[:, random.integers(0, 4, 9)]
    found = Objects(
        np.clip(near + random.normal(0, 0.03, near.shape), 0, 1).astype(np.float32),
        random.integers(-1, 2, (5, 9)).astype(np.int32),
    )
    needed = np.stack(
        [np.full([5, 4], value, np.float32) for value in (0.3, 0.6)], axis=1
    )
    right = np.asarray(match(found, truths, needed))
    assert 10 < right.sum() < right.size / 2
    overlaps = np.asarray(overlap(found.boxes, truths.boxes))
    for image in range(5):
        for number, least in enumerate((0.3, 0.6)):
            taken: set[int] = set()
            for d, kind in enumerate(found.classes[image]):
                able = [
                    (overlaps[image, d, m], -m)
                    for m in range(4)
                    if kind >= 0
                    and truths.classes[image, m] == kind
                    and m not in taken
                    and overlaps[image, d, m] >= least
                ]
                assert right[image, number, d] == bool(able)
                if able:
                    taken.add(-max(able)[1])


def test_small_objects_need_less_overlap() -> None:
    # Of 10 by 20 pixels: 200 / (20 * 30); the larger one needs a half.
    boxes = np.array([[[0, 0, 0.1, 0.2], [0, 0, 1, 1]]], np.float32)
    needed = np.asarray(needed_overlaps(boxes, 100, 100))[0]
    np.testing.assert_allclose(needed[:, 1], [*np.arange(0.5, 0.96, 0.05), 0.5])
    assert needed[10, 0] == pytest.approx(1 / 3)


def test_localisation_needs_the_label_and_half_of_the_place_among_five() -> None:
    truth = objects([LEFT], [3])
    others = [RIGHT] * 5
    for boxes, classes, wrong in (
        ([*others[:4], LEFT], [1, 2, 4, 5, 3], 0),
        ([*others, LEFT], [1, 2, 4, 5, 6, 3], 1),
        ([RIGHT], [3], 1),
        ([LEFT], [2], 1),
        ([[0, 0, 0.5, 0.19]], [3], 1),
        ([[0, 0, 0.5, 0.21]], [3], 0),
    ):
        assert mislocalized(objects(boxes, classes), truth).numpy() == [wrong]
