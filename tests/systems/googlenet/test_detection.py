"""A detector learns to find digits, leaves for a device, and draws what it finds."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import export
import trainers
from tools.cli import app
from trainers.data.detection.canvases import digit_canvases
from trainers.data.detection.config import DigitCanvasesData

SHORT = (
    "model.backbone.width_multiplier=0.125",
    "model.backbone.stages=[[{pass_through: 64, group_3x3: [96, 128]}]]",
    "model.backbone.heads=[]",
    "model.levels=[3a]",
    "data.train_examples=512",
    "data.test_examples=32",
    "run={steps: 160, diagnostics_every: 160, images_every: 160}",
    "export={calibration_examples: 100, min_agreement: 0.8, max_accuracy_drop: 0.1}",
)


@pytest.mark.slow
def test_detector_learns_leaves_and_draws(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = Path("configs/googlenet/detection_tiny.yaml")
    metrics = trainers.train(config, run, list(SHORT)).metrics
    # Of a tenth of its training the network tells most boxes, and few of the digits.
    assert metrics["test/map50"] > 0.1
    assert metrics["test/map"] < metrics["test/map50"]
    pictures = {path.name for path in (run / "pictures").iterdir()}
    assert {"train_images.png", "test_detections.png"} <= pictures

    artefact = export.export(run, "tflite_int8", tmp_path / "int8")
    verification = export.verify(artefact)
    verification.check()
    kinds = [check.kind for check in verification.checks]
    assert kinds == ["keras", "saved_model", "tflite"]
    assert max(verification.checks[1].errors.values()) < 1e-4

    canvas = DigitCanvasesData(batch_size=1, train_examples=1, test_examples=1)
    image = digit_canvases(canvas, "test").images[0]
    # Twice as wide as it was: boxes must follow.
    wide = np.repeat(image, 2, axis=1)
    source, drawn = tmp_path / "canvas.png", tmp_path / "drawn.png"
    source.write_bytes(tf.io.encode_png(wide).numpy())
    arguments = ["predict", str(run), str(source), "--output", str(drawn)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert keras.utils.load_img(drawn).size[0] > 100
    found = export.load(artefact).predict(source)
    assert found.image.shape == (32, 64, 1)
    assert len(found.labels) == len(found.boxes) == len(found.scores)
    assert np.all(found.boxes <= [32, 64, 32, 64])
