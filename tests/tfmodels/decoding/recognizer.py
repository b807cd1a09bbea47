"""A recogniser of two tables: what follows depends on the unit before and on sound."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.decoding.step import StepOutput

UNITS = ["", "", "", "", "", " ", "a", "b", "c"]
"""Padding, start, end, symbols of two varieties, a space, letters."""
NUM_FEATURES = 3


class TableRecognizer(keras.Model):
    """Logits are a row for the unit before and the mean of the frames by a table."""

    def __init__(self, seed: int = 0, scale: float = 1.0) -> None:
        super().__init__()
        random = np.random.default_rng(seed)
        self.encoded = 0
        size = len(UNITS)
        follows = random.normal(0, scale, [size, size])
        # Nothing that fills up or begins is ever said; mostly letters and spaces are.
        follows[:, :2] = -20
        follows[1, 2] -= 3
        follows[6:, 5] += 1.5
        follows[5, 6:] += 1.5
        heard = random.normal(0, scale, [NUM_FEATURES, size])
        self.heard, self.follows = (
            self.add_weight(
                shape=part.shape,
                initializer=keras.initializers.Constant(part),
                name=name,
            )
            for name, part in (("heard", heard), ("follows", follows))
        )

    def encode(self, source: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        self.encoded += 1
        features = source["features"]
        mask = tf.sequence_mask(source["lengths"], features.shape[1], tf.float32)
        total = tf.reduce_sum(mask[:, :, None] * features, axis=1)
        mean = total / tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1.0)
        bias = tf.matmul(mean, self.heard.value)
        return {"bias": bias, "mask": mask, "variety": source["variety"]}

    def initial_state(self, memory: dict[str, tf.Tensor]) -> tf.Tensor:
        return memory["mask"][:, :1]

    def step(self, tokens: tf.Tensor, state: Any, memory: Any) -> StepOutput:
        logits = tf.gather(self.follows.value, tokens) + memory["bias"]
        return StepOutput(tf.nn.log_softmax(logits), state, memory["mask"])

    def decode_targets(self, memory: Any, target: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = tf.gather(self.follows.value, target) + memory["bias"][:, None]
        return {"logits": logits}

    def call(self, inputs: Any, training: bool = False) -> dict[str, tf.Tensor]:
        return self.decode_targets(self.encode(inputs), inputs["target"])


def sounds(rows: int = 4, frames: int = 5, seed: int = 0) -> dict[str, tf.Tensor]:
    """Sources: ``features`` [b, T, 3], ``lengths`` [b], ``variety`` [b, 2]."""
    random = np.random.default_rng(seed)
    lengths = 2 + np.arange(rows) % (frames - 1)
    features = random.normal(0, 1, [rows, frames, NUM_FEATURES])
    features *= (np.arange(frames) < lengths[:, None])[:, :, None]
    return {
        "features": tf.constant(features, tf.float32),
        "lengths": tf.constant(lengths, tf.int32),
        "variety": tf.one_hot(np.arange(rows) % 2, 2),
    }
