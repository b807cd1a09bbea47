"""Detection: the objects of an image, each with a class and a box."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.classification.health import health
from tfmodels.classification.pixels import normalize_pixels
from tfmodels.detection.config import DetectorConfig
from tfmodels.errors import ConfigError
from tfmodels.metrics import detection as metrics
from trainers.data.detection.canvases import digit_canvases
from trainers.data.detection.dataset import detection_dataset
from trainers.data.detection.dataset import whole
from trainers.data.images.decoding import read_image
from trainers.data.stream import steps_per_epoch
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Shard
from trainers.interfaces import Totals
from trainers.summaries import figures
from trainers.tasks.config import DetectionConfig
from trainers.tasks.finding import Detections
from trainers.tasks.finding import Finder
from trainers.tasks.models import build_model
from trainers.tasks.models import check_model
from trainers.totals import means

_MAX_PICTURES = 16
_MAX_EXAMINED = 64


class Detection:
    """Images with boxes in, classes and boxes of all cells out.

    The same task localises the one object of an image, with a model whose classes are
    exclusive.
    """

    def __init__(
        self, config: DetectionConfig, model: DetectorConfig, data: Any, run: RunConfig
    ) -> None:
        """Opens the data; the number of classes must be the model's.

        Raises:
          ConfigError: model and data do not fit together, or a level of the model is no
            endpoint.
        """
        self.model_config = model
        self._finder = Finder(config, model, data.labels)
        self._data = data
        self._run = run
        self._examples = {"train": digit_canvases(data, "train")}
        self.grid = self._finder.grid
        self.labels = self._finder.labels
        check_model(model, data, {"num_classes": len(self.labels)})
        self.splits: tuple[str, ...] = ("train", *data.held_out_splits())
        self.batch_size: int = data.batch_size
        self.steps_per_epoch: int = steps_per_epoch(
            len(self._examples["train"].images), data.batch_size, data.last_batch
        )

    def build_model(self) -> keras.Model:
        """The configured model under the configured precision."""
        return build_model(self.model_config, self._run.precision)

    @tf.autograph.experimental.do_not_convert
    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """See `trainers.data.detection.dataset.detection_dataset`."""
        if split not in self.splits:
            raise ConfigError(
                f"the data have no {split} split. Expected one of"
                f" {', '.join(self.splits)}. Received {split!r}."
            )
        if split not in self._examples:
            self._examples[split] = digit_canvases(self._data, split)
        return detection_dataset(
            self._examples[split],
            self._data,
            split,
            self.model_config.input_shape,
            self._run.seed,
            shard,
            start,
        )

    def inputs(self, batch: Batch) -> tf.Tensor:
        """The model's input, float32 [b, H, W, C], on the model's own scale."""
        return normalize_pixels(batch["image"], self.model_config.input_scaling)

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """``logits`` and ``offsets`` of all cells; otherwise what they find as well.

        See `Finder.with_found`.
        """
        outputs = model(self.inputs(batch), training=training)
        return outputs if training else self._finder.with_found(outputs)

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """Right detections by score, at all thresholds; mislocalised images.

        Training makes none: it looks for no objects.
        """
        if "found_class" not in outputs:
            return {}
        found, scores = self._finder.objects(outputs)
        truths = metrics.Objects(batch["boxes"], batch["labels"])
        weights = tf.convert_to_tensor(batch["weight"])
        height, width, _ = self.model_config.input_shape
        needed = metrics.needed_overlaps(truths.boxes, height, width)
        right = metrics.match(found, truths, needed)
        num_classes = self.model_config.num_classes
        hits = metrics.counts(right, found.classes, scores, weights, num_classes)
        there = metrics.objects_of_each_class(truths.classes, weights, num_classes)
        wrong = tf.reduce_sum(weights * metrics.mislocalized(found, truths))
        return {
            "right": hits,
            "objects": (there, tf.ones_like(there)),
            "localization_error": (wrong, tf.reduce_sum(weights)),
        }

    def report(self, totals: Totals) -> dict[str, float]:
        """Mean average precision by several rules, and ILSVRC's localisation error.

        ``map50``: overlap 0.5, all points; ``map50_11point``; ``map``: COCO's, mean of
        ten thresholds; ``map_ilsvrc``: its rule for small objects.
        """
        (right, every), truths = totals["right"], totals["objects"][0]

        def precision(threshold: int, points: metrics.Interpolation) -> float:
            return metrics.mean_average_precision(
                right[..., threshold], every, truths, points
            )

        count = len(metrics.COCO_OVERLAPS)
        return {
            **means(totals),
            "map50": precision(0, "all"),
            "map50_11point": precision(0, "11"),
            "map": float(np.mean([precision(n, "101") for n in range(count)])),
            "map_ilsvrc": precision(count, "all"),
        }

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """Some images of a split with what was found."""
        found, scores = self._finder.objects(outputs)
        shown = [
            self._drawn(image, boxes, classes, score)
            for image, boxes, classes, score in zip(
                _pixels(batch), found.boxes, found.classes, scores, strict=False
            )
        ]
        return {"detections": figures.boxed_images(shown)}

    def samples(self, batch: Batch) -> dict[str, Any]:
        """The images of a training batch with their objects."""
        shown = [
            self._drawn(image, boxes, classes, np.ones(len(classes)))
            for image, boxes, classes in zip(
                _pixels(batch), batch["boxes"], batch["labels"], strict=False
            )
        ]
        return {"images": figures.boxed_images(shown)}

    def _drawn(
        self, image: np.ndarray, boxes: Any, classes: Any, scores: Any
    ) -> tuple[np.ndarray, np.ndarray, list[str]]:
        exists = np.asarray(classes) >= 0
        sides = np.array([image.shape[0], image.shape[1]] * 2)
        names = [
            f"{self.labels[number]} {score:.2f}"
            for number, score in zip(
                np.asarray(classes)[exists], np.asarray(scores)[exists], strict=True
            )
        ]
        return image, np.asarray(boxes)[exists] * sides, names

    def diagnostics(self, model: keras.Model, batch: Batch) -> dict[str, float]:
        """See `tfmodels.classification.health.health`; of at most 64 images."""
        images = self.inputs({"image": batch["image"][:_MAX_EXAMINED]})
        return {name: float(value) for name, value in health(model)(images).items()}

    def predict(self, model: keras.Model, source: str) -> Detections:
        """Finds the objects in the image of a file.

        Raises:
          DataError: the file is missing or is not an image.
        """
        image = read_image(source, self.model_config.input_shape[-1])
        pixels = whole(image[None], self.model_config.input_shape)
        outputs = self.outputs(model, {"image": pixels}, training=False)
        return self._finder.answer(image.numpy(), outputs)


def _pixels(batch: Batch) -> np.ndarray:
    images = np.asarray(batch["image"])[:_MAX_PICTURES]
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)
