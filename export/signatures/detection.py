"""What is exported for detection: pixels in, objects with boxes out."""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Program
from export.signatures.image_classification import channel_constants
from tfmodels.classification.pixels import normalize_pixels
from tfmodels.metrics.detection import Objects
from tfmodels.metrics.detection import match
from trainers.data.detection.canvases import digit_canvases
from trainers.data.detection.dataset import whole
from trainers.data.images.decoding import decode
from trainers.data.images.decoding import read_image
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.tasks.finding import Detections
from trainers.tasks.finding import Finder

_LABELS = "labels.txt"
_AT_ONCE = 32


class DetectionSignatures:
    """SavedModel functions from images to objects; one TFLite function on pixels.

    TFLite gets the scores and offsets of all cells: suppression is a loop over
    candidates, which belongs into floating point and into the host's code.
    """

    accuracy = "map50"
    file_names = (_LABELS,)
    floating: tuple[str, ...] = ()

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration and the class names, one per line."""
        model: Any = experiment.model
        task: Any = experiment.task
        self._data: Any = experiment.training_stages()[-1].data
        self._shape: tuple[int, int, int] = model.input_shape
        self._scaling: Any = model.input_scaling
        labels = tuple(files[_LABELS].removesuffix("\n").split("\n"))
        self._finder = Finder(task, model, labels)

    @staticmethod
    def files_of(task: Any) -> dict[str, str]:
        """The class names, one per line, in the order of the scores."""
        return {_LABELS: "".join(f"{label}\n" for label in task.labels)}

    def deployed(self, model: keras.Model) -> keras.Model:
        """The whole model: it has no training heads."""
        return model

    def serving(self, model: keras.Model) -> dict[str, Endpoint]:
        """``serve`` and ``serve_encoded``, for images of any size and shape.

        ``serve(images: uint8 [B, h, w, C])`` and ``serve_encoded(encoded: string [B])``
        return ``boxes`` float32 [B, D, 4] (top, left, bottom, right in shares of the
        image), ``classes`` int32 [B, D], -1 for nothing, ``scores`` float32 [B, D]; and
        of all cells ``logits`` and ``offsets``.
        """

        def answers(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            inputs = normalize_pixels(pixels, self._scaling)
            outputs = model(inputs, training=False)
            found, scores = self._finder.objects(self._finder.with_found(outputs))
            objects = {"boxes": found.boxes, "classes": found.classes, "scores": scores}
            return {**objects, **outputs}

        def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return answers(whole(images, self._shape))

        def serve_encoded(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
            pixels = tf.map_fn(
                lambda one: whole(decode(one, self._shape[-1]), self._shape),
                encoded,
                fn_output_signature=tf.TensorSpec(self._shape, tf.float32),
            )
            return answers(pixels)

        shape = [None, None, None, self._shape[-1]]
        images = (tf.TensorSpec(shape, tf.uint8, "images"),)
        encoded = (tf.TensorSpec([None], tf.string, "encoded"),)
        return {
            "serve": Endpoint(serve, images),
            "serve_encoded": Endpoint(serve_encoded, encoded),
        }

    def device(self, model: keras.Model) -> dict[str, Endpoint]:
        """``detect(image: float32 [1, H, W, C] normalised) -> logits, offsets``."""

        def detect(image: tf.Tensor) -> dict[str, tf.Tensor]:
            return dict(model(image, training=False))

        image = tf.TensorSpec([1, *self._shape], tf.float32, "image")
        return {"detect": Endpoint(detect, (image,))}

    def preprocessing(self) -> dict[str, Any]:
        """Layout, resizing, each channel's constants; what the outputs stand for."""
        return {
            **channel_constants(self._shape[-1], self._scaling),
            "resize": "the whole image, bilinear with half-pixel centres and no"
            " smoothing",
            "labels": _LABELS,
            "cells": self._finder.grid.cells.tolist(),
            "boxes": "of cell (y, x, h, w): centre (y + dy h, x + dx w), size"
            " (h exp(dh), w exp(dw)), in shares of the image; offsets (dy, dx, dh, dw)",
        }

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Training images as evaluation sees them."""
        images = digit_canvases(self._data, "train").images[:count]
        for image in images:
            yield "detect", {"image": self._normalized(image[None])}

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Images as they are stored, with their objects: all, or at even distances."""
        held = digit_canvases(self._data, split)
        size = len(held.images)
        order = np.linspace(0, size, min(limit, size), endpoint=False).astype(np.int64)
        for rows in np.split(order, range(_AT_ONCE, len(order), _AT_ONCE)):
            yield {
                "image": held.images[rows],
                "boxes": held.boxes[rows],
                "labels": held.labels[rows],
                "weight": np.ones(len(rows), np.float32),
            }

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Scores and offsets of all cells, and what they find."""
        if "serve" in program.endpoints:
            answers = program("serve", {"images": batch["image"]})
            made = {name: answers[name] for name in ("logits", "offsets")}
        else:
            # One at a time: the rows of cells are fixed in the file, with the batch.
            rows = [
                program("detect", {"image": self._normalized(image[None])})
                for image in np.asarray(batch["image"])
            ]
            made = {
                name: np.concatenate([np.asarray(row[name]) for row in rows])
                for name in ("logits", "offsets")
            }
        outputs = self._finder.with_found(made)
        return {name: np.asarray(value) for name, value in outputs.items()}

    def agreement(self, reference: Arrays, outputs: Arrays) -> np.ndarray:
        """Whether each object that one is sure of, the other finds as well, bool [B].

        Sure is a probability of 0.5 or more; the other's may be any that counts. Places
        are the same from an overlap of 0.5 on.
        """
        first, second = (self._finder.objects(each) for each in (reference, outputs))
        return _found_again(*first, second[0]) & _found_again(*second, first[0])

    def predict(self, program: Program, source: str) -> Detections:
        """Finds the objects in the image of a file.

        Raises:
          DataError: the file is missing or is not an image.
        """
        image = read_image(source, self._shape[-1]).numpy()
        return self._finder.answer(image, self.outputs(program, {"image": image[None]}))

    def _normalized(self, images: np.ndarray) -> np.ndarray:
        """The network's input, float32 [b, H, W, C]."""
        pixels = whole(tf.convert_to_tensor(images), self._shape)
        return normalize_pixels(pixels, self._scaling).numpy()


def _found_again(objects: Objects, scores: Any, others: Objects) -> np.ndarray:
    """Whether all objects of a probability from 0.5 on are among others, bool [B]."""
    sure = np.where(np.asarray(scores) >= 0.5, objects.classes, -1)
    classes = tf.convert_to_tensor(others.classes)
    needed = tf.fill([classes.shape[0], 1, classes.shape[1]], 0.5)
    matched = match(
        Objects(objects.boxes, tf.constant(sure)),
        Objects(others.boxes, classes),
        needed,
    )
    return np.asarray(np.all(np.asarray(matched)[:, 0] | (sure < 0), axis=-1))
