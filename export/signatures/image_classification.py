"""What is exported for image classification: pixels in, ranked classes out."""

from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export.calibration import balanced
from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Program
from export.signatures.agreement import same_best
from tfmodels.classification.model import ImageClassifier
from tfmodels.classification.pixels import normalize_pixels
from trainers.data.images.decoding import decode
from trainers.data.images.decoding import decode_file
from trainers.data.images.resizing import fit
from trainers.data.images.sources import Source
from trainers.data.images.sources import open_source
from trainers.data.stream import untuned
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.tasks.image_classification import Prediction
from trainers.tasks.image_classification import ranked

_LABELS = "labels.txt"


class ImageClassificationSignatures:
    """SavedModel functions on images as they come; one TFLite function on pixels.

    TFLite gets the logits, not the probabilities: an int8 softmax has the fixed step
    1 / 256 and loses the order of small scores.
    """

    accuracy = "top1"
    file_names = (_LABELS,)
    floating: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration and the class names, one per line."""
        model: Any = experiment.model
        self._data: Any = experiment.training_stages()[-1].data
        self._shape: tuple[int, int, int] = model.input_shape
        self._scaling: Any = model.input_scaling
        self._labels = tuple(files[_LABELS].removesuffix("\n").split("\n"))
        self._num_channels = self._shape[-1]

    @staticmethod
    def files_of(task: Any) -> dict[str, str]:
        """The class names, one per line, in the order of the logits."""
        return {_LABELS: "".join(f"{label}\n" for label in task.labels)}

    def deployed(self, model: ImageClassifier) -> ImageClassifier:
        """The model without its training heads."""
        return model.deploy()

    def serving(self, model: ImageClassifier) -> dict[str, Endpoint]:
        """``serve``, ``serve_encoded`` and ``features``, for images of any size.

        - ``serve(images: uint8 [B, h, w, C])`` and
          ``serve_encoded(encoded: string [B])``, the bytes of JPEG, PNG, BMP or GIF
          files, return ``logits`` and ``probabilities``, float32 [B, K], and the best
          classes, ``classes_top5`` int32 [B, 5] and ``scores_top5`` float32 [B, 5].
        - ``features(images)`` returns every named subnetwork's output.
        """
        endpoints = model.features()

        def answers(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            inputs = normalize_pixels(pixels, self._scaling)
            return _answers(model(inputs, training=False)["logits"])

        def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return answers(self._fit(images))

        def serve_encoded(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
            pixels = tf.map_fn(
                lambda one: self._fit(decode(one, self._num_channels)),
                encoded,
                fn_output_signature=tf.TensorSpec(self._shape, tf.float32),
            )
            return answers(pixels)

        def features(images: tf.Tensor) -> dict[str, tf.Tensor]:
            pixels = normalize_pixels(self._fit(images), self._scaling)
            return dict(endpoints(pixels, training=False))

        shape = [None, None, None, self._num_channels]
        images = (tf.TensorSpec(shape, tf.uint8, "images"),)
        encoded = (tf.TensorSpec([None], tf.string, "encoded"),)
        return {
            "serve": Endpoint(serve, images),
            "serve_encoded": Endpoint(serve_encoded, encoded),
            "features": Endpoint(features, images),
        }

    def device(self, model: ImageClassifier) -> dict[str, Endpoint]:
        """``classify(image: float32 [1, H, W, C] normalised) -> logits [1, K]``."""

        def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"logits": model(image, training=False)["logits"]}

        image = tf.TensorSpec([1, *self._shape], tf.float32, "image")
        return {"classify": Endpoint(classify, (image,))}

    def preprocessing(self) -> dict[str, Any]:
        """Layout, resizing, and the mean and deviation that normalise each channel."""
        return {
            **channel_constants(self._num_channels, self._scaling),
            "resize": "short side to ceil(size / crop_fraction), bilinear with half-"
            "pixel centres and no smoothing; then the centre",
            "crop_fraction": self._data.crop_fraction,
            "labels": _LABELS,
        }

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Training images, equally many of each class, as evaluation sees them."""
        source = open_source(self._data, "train")
        # Files are often sorted by class: in their order the first 200 of 1000 classes
        # would take all the images of 200 classes to find.
        order = np.random.default_rng(0).permutation(source.size)
        examples = self._read(source, order, rows=1)
        for batch in balanced(examples, len(self._labels), count):
            yield "classify", {"image": self._normalized(batch)}

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Images as they are stored, ``image`` uint8 [b, h, w, C], b = 1 for files.

        All of a split, or `limit` of them at even distances.
        """
        source = open_source(self._data, split)
        order = np.linspace(0, source.size, min(limit, source.size), endpoint=False)
        # Files differ in size and cannot share a batch.
        rows = 32 if source.in_batches else 1
        return self._read(source, order.astype(np.int64), rows)

    def _read(self, source: Source, order: np.ndarray, rows: int) -> Iterator[Batch]:
        records = tf.data.Dataset.from_tensor_slices(order).map(
            lambda index: source.read(index, self._num_channels)
        )
        for record in records.batch(rows).prefetch(16).with_options(untuned()):
            bad = tf.cast(record["bad"], tf.float32)
            yield {**record, "bad": bad, "weight": 1 - bad}

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Logits, from the raw image where the program takes it."""
        if "serve" in program.endpoints:
            answers = program("serve", {"images": batch["image"]})
            return {"logits": answers["logits"]}
        return program("classify", {"image": self._normalized(batch)})

    def agreement(self, reference: Arrays, outputs: Arrays) -> np.ndarray:
        """Whether the most probable class is the same, bool [B]."""
        return same_best(reference, outputs)

    def predict(self, program: Program, source: str) -> Prediction:
        """Classifies the image in a file.

        Raises:
          DataError: the file is missing or is not an image.
        """
        pixels = decode_file(source, self._shape, self._data.crop_fraction)
        if "serve_encoded" in program.endpoints:
            encoded = [Path(source).read_bytes()]
            answers = program("serve_encoded", {"encoded": encoded})
        else:
            inputs = {"image": normalize_pixels(pixels[None], self._scaling)}
            answers = _answers(program("classify", inputs)["logits"])
        return ranked(np.asarray(answers["probabilities"])[0], self._labels)

    def _fit(self, images: tf.Tensor) -> tf.Tensor:
        """Evaluation's geometry: uint8 [..., h, w, C] -> float32 [..., H, W, C]."""
        return fit(images, self._shape, self._data.crop_fraction)

    def _normalized(self, batch: Batch) -> np.ndarray:
        """The network's input of a batch of `examples`, float32 [b, H, W, C]."""
        return normalize_pixels(self._fit(batch["image"]), self._scaling).numpy()


def channel_constants(num_channels: int, scaling: Any) -> dict[str, Any]:
    """Layout of an image, and the mean and deviation that normalise each channel."""
    black, white = (
        normalize_pixels(tf.fill([1, 1, 1, num_channels], v), scaling)
        for v in (0.0, 255.0)
    )
    deviation = 255 / (white - black)
    return {
        "layout": "NHWC",
        "channels": "gray" if num_channels == 1 else "RGB",
        "pixels": "(value from 0 to 255 - mean) / deviation",
        "mean": np.ravel(-black * deviation).tolist(),
        "deviation": np.ravel(deviation).tolist(),
    }


def _answers(logits: Any) -> dict[str, tf.Tensor]:
    """What a caller wants besides the logits, float32 [B, K]."""
    probabilities = tf.nn.softmax(logits)
    best = tf.math.top_k(probabilities, min(5, logits.shape[-1]))
    return {
        "logits": logits,
        "probabilities": probabilities,
        "classes_top5": best.indices,
        "scores_top5": best.values,
    }
