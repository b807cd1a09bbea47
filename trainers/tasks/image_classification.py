"""Image classification: one label for each image."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfmodels.classification.health import health
from tfmodels.classification.pixels import normalize_pixels
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.metrics.classification import confusion_matrix
from tfmodels.metrics.classification import top_k
from trainers.data.images.dataset import image_dataset
from trainers.data.images.decoding import decode_file
from trainers.data.images.resizing import fit
from trainers.data.images.sources import Source
from trainers.data.images.sources import open_source
from trainers.data.stream import steps_per_epoch
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Shard
from trainers.interfaces import Totals
from trainers.summaries import figures
from trainers.tasks.config import ImageClassificationConfig
from trainers.tasks.models import build_model
from trainers.totals import means

_MAX_PICTURES = 36
# The batch of many replicas would not fit into the memory of the one that is examined.
_MAX_EXAMINED = 64


class Prediction(NamedTuple):
    """Classes of one image, the most probable first."""

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.labels[0]

    def __str__(self) -> str:
        best = zip(self.labels[:3], self.probabilities, strict=False)
        return ", ".join(f"{label} ({share:.1%})" for label, share in best)


class ImageClassification:
    """Labelled images in, class scores out.

    Batches hold pixels from 0 to 255; `outputs` brings them to the model's own scale,
    so that pictures look as a person expects and one pipeline serves all models.
    """

    def __init__(
        self,
        config: ImageClassificationConfig,
        model: Any,
        data: Any,
        run: RunConfig,
    ) -> None:
        """Opens the data; the number of classes must be the model's.

        Raises:
          ConfigError: model and data do not fit together.
          DataError: the data is missing or damaged.
        """
        self._config = config
        self._model_config = model
        self._data = data
        self._run = run
        self._sources = {"train": open_source(data, "train")}
        self._health = functools.cache(health)
        self.labels: tuple[str, ...] = self._sources["train"].labels
        self.splits: tuple[str, ...] = ("train", *data.held_out_splits())
        self.batch_size: int = data.batch_size
        self.steps_per_epoch: int = steps_per_epoch(
            self._sources["train"].size, data.batch_size, data.last_batch
        )
        if len(self.labels) != model.num_classes:
            raise ConfigError(
                f"model.num_classes: the data has another number of classes. Expected"
                f" {len(self.labels)}; received {model.num_classes}."
            )

    def build_model(self) -> keras.Model:
        """The configured model under the configured precision."""
        return build_model(self._model_config, self._run.precision)

    @tf.autograph.experimental.do_not_convert
    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """See `trainers.data.images.dataset.image_dataset`.

        Examples of ``task.excluded`` have the weight 0 in all splits but ``train``.
        """
        source = self.source(split)
        batches = image_dataset(
            source,
            self._data,
            split,
            self._model_config.input_shape,
            self._run.seed,
            shard,
            start,
            self._config.crops,
        )
        if self._config.excluded is None or split == "train":
            return batches
        kept = kept_examples(source, self._config.excluded)
        return batches.map(
            lambda batch: {
                **batch,
                "weight": batch["weight"] * tf.gather(kept, batch["index"]),
            }
        )

    def source(self, split: str) -> Source:
        """Where the examples of a split come from, opened once."""
        if split not in self._sources:
            self._sources[split] = open_source(self._data, split)
        return self._sources[split]

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """``logits`` float32 [b, K], and those of the training heads.

        Of several views of an image, ``image`` [b, V, H, W, C], they are logarithms of
        the mean of the views' probabilities.
        """
        images = self.inputs(batch)
        if images.shape.rank == 4:
            return model(images, training=training)
        rows, num_views = images.shape[0], images.shape[1]
        flat = tf.reshape(images, [-1, *images.shape[2:]])
        outputs = model(flat, training=training)
        return {
            name: mean_logits(tf.reshape(logits, [rows, num_views, -1]), axis=1)
            for name, logits in outputs.items()
        }

    def inputs(self, batch: Batch) -> tf.Tensor:
        """The model's input, float32 [b, H, W, C], on the model's own scale."""
        return normalize_pixels(batch["image"], self._model_config.input_scaling)

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """Top-1 and top-5 hits of every head, unreadable examples, confusion counts."""
        labels, weights = batch["label"], batch["weight"]
        bad = tf.reduce_sum(batch["bad"])
        totals: Totals = {"bad_examples": (bad, bad + tf.reduce_sum(weights))}
        for name, logits in outputs.items():
            prefix = name.removesuffix("logits")
            for k in (1, 5):
                totals[f"{prefix}top{k}"] = top_k(logits, labels, weights, k)
        totals["confusion"] = confusion_matrix(outputs["logits"], labels, weights)
        return totals

    def report(self, totals: Totals) -> dict[str, float]:
        """Top-1, top-5, loss and their parts as fractions."""
        return means(totals)

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """The confusion matrix of a split, and some of its images with predictions."""
        shown = slice(0, _MAX_PICTURES)
        predicted = np.argmax(outputs["logits"], axis=-1)[shown]
        return {
            "confusion": figures.confusion_matrix(totals["confusion"][0], self.labels),
            "predictions": figures.labelled_images(
                _pixels(batch)[shown],
                self.names(batch["label"][shown]),
                self.names(predicted),
            ),
        }

    def samples(self, batch: Batch) -> dict[str, Any]:
        """The images of a training batch after augmentation."""
        shown = slice(0, _MAX_PICTURES)
        labels = self.names(batch["label"][shown])
        images = figures.labelled_images(_pixels(batch)[shown], labels, labels)
        return {"images": images}

    def diagnostics(self, model: keras.Model, batch: Batch) -> dict[str, float]:
        """See `tfmodels.classification.health.health`; of at most 64 images."""
        images = self.inputs({"image": batch["image"][:_MAX_EXAMINED]})
        found = self._health(model)(images)
        return {name: float(value) for name, value in found.items()}

    def shown(self, split: str, indices: Any) -> np.ndarray:
        """Centres of some images of a split, uint8 [n, H, W, C]."""
        shape = self._model_config.input_shape
        source = self.source(split)
        images = [
            fit(source.read(tf.constant(i, tf.int64), shape[-1])["image"], shape)
            for i in indices
        ]
        return _pixels({"image": np.stack(images)})

    def names(self, classes: Any) -> list[str]:
        """Names of classes, integers [n]."""
        return [self.labels[number] for number in np.asarray(classes)]

    def predict(self, model: keras.Model, source: str) -> Prediction:
        """Classifies the image in a file.

        Raises:
          DataError: the file is missing or is not an image.
        """
        shape = self._model_config.input_shape
        image = decode_file(source, shape, self._data.crop_fraction)
        outputs = self.outputs(model, {"image": image[None]}, training=False)
        return ranked(tf.nn.softmax(outputs["logits"])[0].numpy(), self.labels)


def ranked(probabilities: np.ndarray, labels: tuple[str, ...]) -> Prediction:
    """Sorts classes by probability, float32 [K]."""
    order = np.argsort(-probabilities, kind="stable")
    return Prediction(
        tuple(labels[i] for i in order), tuple(float(probabilities[i]) for i in order)
    )


def mean_logits(logits: tf.Tensor, axis: int) -> tf.Tensor:
    """Logarithms of the mean of probabilities, whose softmax is that mean.

    Args:
      logits: floating-point [..., K].
      axis: what is averaged over; not the last one.

    Returns:
      float32, of the shape without that axis.
    """
    log_probs = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    total = tf.reduce_logsumexp(log_probs, axis=axis)
    return total - tf.math.log(tf.cast(tf.shape(logits)[axis], tf.float32))


def kept_examples(source: Source, path: str) -> tf.Tensor:
    """1 for the examples of a split that count and 0 for those that a file lists.

    Args:
      source: the split.
      path: text file of whole numbers, one a line; the last number of a listed
        example's name is one of them.

    Returns:
      float32 [size].

    Raises:
      DataError: there is no such file, it holds something else, or it names nothing.
    """
    try:
        listed = {int(line) for line in Path(path).read_text("utf-8").split()}
    except (OSError, ValueError) as error:
        raise DataError(
            f"task.excluded: cannot read {path}. Expected a text file of whole numbers,"
            f" one a line. Received: {error}."
        ) from None
    names = (source.name(index) for index in range(source.size))
    numbers = [re.findall(r"\d+", name)[-1:] for name in names]
    kept = [not found or int(found[0]) not in listed for found in numbers]
    if all(kept):
        raise DataError(
            f"task.excluded: {path} names no example. Expected numbers that names of"
            f" examples end with, such as {source.name(0)!r}. Received {len(listed)}"
            " others."
        )
    with tf.device("/CPU:0"):
        return tf.constant(kept, tf.float32)


def _pixels(batch: Batch) -> np.ndarray:
    """The images of a batch, or the first view of each, uint8 [b, H, W, C]."""
    images = np.asarray(batch["image"])
    images = images if images.ndim == 4 else images[:, 0]
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)
