"""A task small enough to check by hand: vectors in, one of three classes out."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from trainers.data.stream import Stream
from trainers.interfaces import Shard
from trainers.interfaces import Stage
from trainers.objectives.config import CrossEntropyConfig
from trainers.objectives.cross_entropy import CrossEntropy
from trainers.optimizers.config import MomentumSGD

NUM_EXAMPLES = 22


class ToyTask:
    """22 examples of 4 numbers, batches of 8: the last batch of an epoch holds 6."""

    splits = ("train", "test")
    batch_size = 8

    def __init__(self, batch_norm: bool = True, poison: int | None = None) -> None:
        """`poison` is an example that holds NaN."""
        random = np.random.default_rng(0)
        self.features = random.normal(size=(NUM_EXAMPLES, 4)).astype(np.float32)
        self.labels = random.integers(0, 3, NUM_EXAMPLES).astype(np.int32)
        if poison is not None:
            self.features[poison] = np.nan
        self._batch_norm = batch_norm
        self._stream = Stream(NUM_EXAMPLES, self.batch_size, "pad", True, seed=3)
        self.steps_per_epoch = self._stream.steps_per_epoch

    def build_model(self) -> keras.Model:
        """Two dense layers, with batch norm between them if wanted."""
        keras.utils.set_random_seed(1)
        inputs = keras.Input((4,), name="features")
        x = keras.layers.Dense(6, name="hidden")(inputs)
        if self._batch_norm:
            x = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
        x = keras.layers.Activation("tanh", name="tanh")(x)
        logits = keras.layers.Dense(3, name="head", dtype="float32")(x)
        return keras.Model(inputs, {"logits": logits})

    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """Batches of ``features``, ``label``, ``weight``."""
        features, labels = tf.constant(self.features), tf.constant(self.labels)
        records = (
            self._stream.endless(shard, start)
            if split == "train"
            else self._stream.single_pass(shard)
        )

        def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {
                "features": tf.gather(features, record["index"]),
                "label": tf.gather(labels, record["index"]),
                "weight": tf.cast(record["valid"], tf.float32),
            }

        return records.map(read)

    def inputs(self, batch: dict[str, Any]) -> tf.Tensor:
        """The model's input, float32 [b, 4]."""
        return batch["features"]

    def outputs(self, model: Any, batch: dict[str, Any], training: bool) -> Any:
        """``logits`` float32 [b, 3]."""
        return model(self.inputs(batch), training=training)

    def metrics(self, outputs: Any, batch: dict[str, Any]) -> dict[str, Any]:
        """How often the best class is right."""
        hits = tf.cast(
            tf.argmax(outputs["logits"], -1, tf.int32) == batch["label"], tf.float32
        )
        weight = batch["weight"]
        return {"top1": (tf.reduce_sum(hits * weight), tf.reduce_sum(weight))}

    def samples(self, batch: dict[str, Any]) -> dict[str, Figure]:
        """A drawing titled with the sum of the features."""
        figure = Figure()
        figure.suptitle(str(float(tf.reduce_sum(batch["features"]))))
        return {"features": figure}

    def diagnostics(
        self, model: keras.Model, batch: dict[str, Any]
    ) -> dict[str, float]:
        """The share of the classes without any weight, as dead channels."""
        kernel = model.get_layer("head").kernel.numpy()
        return {
            "dead_channels": float(np.mean(np.all(kernel == 0, axis=0))),
            "mean_feature": float(tf.reduce_mean(batch["features"])),
        }


def toy_stage(task: ToyTask, **optimizer: Any) -> Stage:
    """A stage of 100 steps of momentum SGD on cross entropy."""
    settings = {"learning_rate": {"kind": "constant", "initial": 0.1}, "momentum": 0.9}
    return Stage(
        name="train",
        start=0,
        steps=100,
        task=task,
        objective=CrossEntropy(CrossEntropyConfig(), task),
        optimizer=MomentumSGD.parse({**settings, **optimizer}),
        frozen=(),
    )
