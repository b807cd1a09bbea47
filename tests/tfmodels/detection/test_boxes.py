"""Boxes against rasters, assignment against loops, suppression against a library's."""

import numpy as np
import tensorflow as tf

from tfmodels.detection.boxes import assign
from tfmodels.detection.boxes import decode
from tfmodels.detection.boxes import encode
from tfmodels.detection.boxes import make_grid
from tfmodels.detection.boxes import overlap
from tfmodels.detection.suppression import suppress


def random_boxes(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Boxes with edges on the lines of a raster of 20, none empty."""
    edges = np.sort(
        np.stack(
            [
                random.permuted(np.tile(np.arange(21), (*shape, 1)), axis=-1)[..., :2]
                for _ in range(2)
            ],
            axis=-2,
        ),
        axis=-1,
    )
    return (
        np.stack(
            [edges[..., 0, 0], edges[..., 1, 0], edges[..., 0, 1], edges[..., 1, 1]], -1
        ).astype(np.float32)
        / 20
    )


def test_overlap_counts_shared_squares_of_a_raster() -> None:
    boxes = random_boxes(np.random.default_rng(0), 12)
    rasters = np.zeros([12, 20, 20], bool)
    for raster, box in zip(rasters, np.rint(boxes * 20).astype(int), strict=True):
        raster[box[0] : box[2], box[1] : box[3]] = True
    shared = (rasters[:, None] & rasters[None]).sum((-1, -2))
    covered = (rasters[:, None] | rasters[None]).sum((-1, -2))
    np.testing.assert_allclose(overlap(boxes, boxes), shared / covered, atol=1e-5)
    empty = np.zeros([1, 4], np.float32)
    assert overlap(empty, empty).numpy() == 0


def test_offsets_of_a_box_by_hand_and_back() -> None:
    grid = make_grid([(2, 4)], size=1.5)
    # The last cell: rows of 1/2, columns of 1/4.
    np.testing.assert_allclose(grid.cells[-1], [0.75, 0.875, 0.75, 0.375])
    box = np.array([0.5, 0.25, 0.8, 1.0], np.float32)
    expected = [-0.1 / 0.75, -0.25 / 0.375, np.log(0.4), np.log(2.0)]
    np.testing.assert_allclose(encode(box, grid.cells[-1]), expected, rtol=1e-5)
    boxes = random_boxes(np.random.default_rng(1), 8)
    back = decode(encode(boxes, grid.cells), grid.cells)
    np.testing.assert_allclose(back, boxes, atol=1e-6)


def test_cells_are_taught_as_loops_over_cells_and_objects_say() -> None:
    random = np.random.default_rng(2)
    boxes = random_boxes(random, 6, 3)
    labels = random.integers(-1, 5, (6, 3)).astype(np.int32)
    grid = make_grid([(8, 8), (4, 4)], size=2.0)
    taught = assign(boxes, labels, grid, reach=0.75)
    log_cell = np.log(grid.cells[:, 2])
    found = 0
    for image in range(6):
        for cell in range(80):
            best, expected = np.inf, -1
            for box, label in zip(boxes[image], labels[image], strict=True):
                if label < 0:
                    continue
                log_size = np.log((box[2] - box[0]) * (box[3] - box[1])) / 2
                levels = np.abs(log_size - log_cell)
                centre = (box[:2] + box[2:]) / 2
                away = np.abs(centre - grid.cells[cell, :2]) / grid.steps[cell]
                suits = levels[cell] < levels.min() + 1e-3
                if suits and away.max() <= 0.75 + 1e-6 and away.max() < best:
                    best, expected, placed = away.max(), label, box
            assert taught.labels[image, cell] == expected
            if expected >= 0:
                found += 1
                np.testing.assert_array_equal(taught.boxes[image, cell], placed)
    assert found > 20


def test_one_cell_for_the_whole_image_is_always_taught() -> None:
    boxes = np.array([[[0, 0, 0.1, 0.1]], [[0.9, 0.9, 1, 1]]], np.float32)
    grid = make_grid([(1, 1)], size=0.5)
    taught = assign(boxes, np.array([[3], [7]], np.int32), grid, reach=0.75)
    np.testing.assert_array_equal(taught.labels, [[3], [7]])


def test_suppression_keeps_what_tensorflows_own_kernel_keeps() -> None:
    random = np.random.default_rng(3)
    boxes = random_boxes(random, 4, 30)
    scores = random.uniform(0.01, 0.99, (4, 30, 3)).astype(np.float32)
    theirs = tf.image.combined_non_max_suppression(
        boxes[:, :, None], scores, 100, 12, 0.3, 0.4, clip_boxes=False
    )
    ours = suppress(scores, boxes, 0.3, 0.4, 12)
    exists = np.asarray(ours.classes) >= 0
    np.testing.assert_array_equal(exists.sum(1), theirs.valid_detections)
    kept = np.take_along_axis(boxes, np.asarray(ours.cells)[..., None], 1)
    np.testing.assert_array_equal(kept[exists], theirs.nmsed_boxes[exists])
    np.testing.assert_array_equal(
        np.asarray(ours.classes)[exists], theirs.nmsed_classes[exists]
    )
    few = suppress(scores[:, :2], boxes[:, :2], 0.3, 0.0, 12)
    assert few.classes.shape == (4, 12)
    assert int(few.cells[0, -1]) == -1
