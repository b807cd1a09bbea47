"""From the outputs of a detector to objects: for evaluation, people and devices."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.detection.boxes import decode
from tfmodels.detection.config import DetectorConfig
from tfmodels.detection.model import grid_of
from tfmodels.detection.suppression import suppress
from tfmodels.metrics.detection import Objects
from trainers.files import writing
from trainers.interfaces import Outputs
from trainers.summaries import figures
from trainers.tasks.config import DetectionConfig


class Detections(NamedTuple):
    """Objects of one image, the surest first."""

    image: np.ndarray
    """uint8 [h, w, C], as it was read."""
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    """Probabilities."""
    boxes: np.ndarray
    """float32 [n, 4]: top, left, bottom, right in pixels of the image."""

    def __str__(self) -> str:
        found = zip(self.labels, self.scores, self.boxes, strict=True)
        lines = [
            f"{label} ({score:.1%}) at {', '.join(f'{edge:.1f}' for edge in box)}"
            for label, score, box in found
        ]
        return "; ".join(lines) or "nothing"

    def write(self, path: Path) -> None:
        """Draws the boxes into a PNG file."""
        titles = [
            f"{label} {score:.2f}"
            for label, score in zip(self.labels, self.scores, strict=True)
        ]
        with writing(path):
            figures.save(figures.boxed_images([(self.image, self.boxes, titles)]), path)


class Finder:
    """Finds objects in the scores and boxes of all cells, in graph code.

    Args:
      config: what counts as an object.
      model: the detector.
      labels: names of its classes.
    """

    def __init__(
        self, config: DetectionConfig, model: DetectorConfig, labels: tuple[str, ...]
    ) -> None:
        self.grid = grid_of(model)
        """The detector's cells."""
        self.labels = labels
        """Names of its classes."""
        self._config = config
        self._exclusive = model.classes == "exclusive"

    def with_found(self, outputs: Outputs) -> Outputs:
        """Adds ``found_class`` and ``found_cell``, int32 [b, D], -1 for nothing.

        Args:
          outputs: ``logits`` float32 [b, N, K], ``offsets`` float32 [b, N, 4].
        """
        found = suppress(
            self._probabilities(outputs),
            self._boxes(outputs),
            self._config.max_overlap,
            self._config.min_score,
            self._config.max_objects,
        )
        return {**outputs, "found_class": found.classes, "found_cell": found.cells}

    def objects(self, outputs: Outputs) -> tuple[Objects, tf.Tensor]:
        """What was found, and its probabilities, float32 [b, D]; 0 for nothing."""
        classes, cells = outputs["found_class"], tf.maximum(outputs["found_cell"], 0)
        boxes = tf.gather(self._boxes(outputs), cells, axis=1, batch_dims=1)
        rows = tf.gather(self._probabilities(outputs), cells, axis=1, batch_dims=1)
        scores = tf.gather(rows, tf.maximum(classes, 0), axis=2, batch_dims=2)
        return Objects(boxes, classes), tf.where(classes >= 0, scores, 0.0)

    def answer(self, image: np.ndarray, outputs: Outputs) -> Detections:
        """What was found in the only image of a batch, uint8 [h, w, C]."""
        found, scores = self.objects(outputs)
        classes = np.asarray(found.classes[0])
        exists = classes >= 0
        sides = np.array([image.shape[0], image.shape[1]] * 2)
        return Detections(
            image,
            tuple(self.labels[number] for number in classes[exists]),
            tuple(float(score) for score in np.asarray(scores[0])[exists]),
            np.asarray(found.boxes[0])[exists] * sides,
        )

    def _probabilities(self, outputs: Outputs) -> tf.Tensor:
        logits = tf.convert_to_tensor(outputs["logits"])
        return tf.nn.softmax(logits) if self._exclusive else tf.sigmoid(logits)

    def _boxes(self, outputs: Outputs) -> tf.Tensor:
        return decode(tf.convert_to_tensor(outputs["offsets"]), self.grid.cells)
