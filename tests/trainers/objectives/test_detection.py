"""Losses of detectors against Keras's, and by hand."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from tfmodels.detection.boxes import encode
from tfmodels.detection.boxes import make_grid
from trainers.objectives.config import DetectionObjectiveConfig
from trainers.objectives.detection import DetectionObjective
from trainers.objectives.detection import focal_loss
from trainers.objectives.detection import huber

GRID = make_grid([(4, 4)], size=2.0)
BOX = [0.1, 0.2, 0.6, 0.7]


def objective(classes: str, grid: Any = GRID, **config: float) -> DetectionObjective:
    model = SimpleNamespace(reach=0.5, classes=classes, num_classes=3)
    return DetectionObjective(
        DetectionObjectiveConfig(**config),
        SimpleNamespace(model_config=model, grid=grid),
    )


def test_focal_and_huber_losses_are_keras_own() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (5, 7)).astype(np.float32)
    targets = (random.random((5, 7)) < 0.3).astype(np.float32)
    theirs = keras.losses.binary_focal_crossentropy(
        targets, logits, True, alpha=0.3, gamma=1.5, from_logits=True
    )
    ours = focal_loss(logits, targets, 1.5, 0.3)
    np.testing.assert_allclose(np.mean(ours, -1), theirs, rtol=1e-4)
    errors = random.normal(0, 2, (6, 4)).astype(np.float32)
    theirs = keras.losses.huber(np.zeros_like(errors), errors, delta=1.0)
    np.testing.assert_allclose(huber(errors) / 4, theirs, rtol=1e-5)


def test_loss_of_one_object_by_hand_and_rows_of_no_weight() -> None:
    # Its centre (0.35, 0.45) is nearest to that of row 1, column 1.
    batch = {
        "boxes": np.array([[BOX, [0, 0, 0, 0]]] * 2, np.float32),
        "labels": np.array([[2, -1]] * 2, np.int32),
        "weight": np.array([1, 0], np.float32),
    }
    random = np.random.default_rng(1)
    logits = random.normal(size=(2, 16, 3)).astype(np.float32)
    offsets = random.normal(size=(2, 16, 4)).astype(np.float32)
    loss = objective("independent", box_weight=3.0).loss(
        {"logits": logits, "offsets": offsets}, batch
    )
    targets = np.zeros([16, 3], np.float32)
    targets[5, 2] = 1
    classes = np.sum(focal_loss(logits[0], targets, 2.0, 0.25))
    boxes = huber(offsets[0, 5] - encode(np.float32(BOX), GRID.cells[5])).numpy()
    assert float(loss.total) == pytest.approx(classes + 3 * boxes, rel=1e-5)
    assert float(loss.weight) == 1
    assert float(loss.terms["box_loss"][0]) == pytest.approx(boxes, rel=1e-5)


def test_an_image_without_objects_has_a_finite_loss() -> None:
    batch = {
        "boxes": np.zeros([1, 1, 4], np.float32),
        "labels": np.array([[-1]], np.int32),
        "weight": np.ones(1, np.float32),
    }
    outputs = {"logits": np.zeros([1, 16, 3]), "offsets": np.zeros([1, 16, 4])}
    outputs = {name: value.astype(np.float32) for name, value in outputs.items()}
    loss = objective("independent").loss(outputs, batch)
    # 48 times 0.75 * 0.25 * log 2.
    assert float(loss.total) == pytest.approx(48 * 0.1875 * np.log(2), rel=1e-5)


def test_exclusive_classes_have_cross_entropy() -> None:
    batch = {
        "boxes": np.array([[BOX]], np.float32),
        "labels": np.array([[1]], np.int32),
        "weight": np.ones(1, np.float32),
    }
    grid = make_grid([(1, 1)], size=0.5)
    outputs = {
        "logits": np.array([[[0.0, 1.0, 2.0]]], np.float32),
        "offsets": encode(np.array([[BOX]], np.float32), grid.cells),
    }
    loss = objective("exclusive", grid).loss(outputs, batch)
    expected = np.log(1 + np.e + np.e**2) - 1
    assert float(loss.total) == pytest.approx(expected, rel=1e-5)
