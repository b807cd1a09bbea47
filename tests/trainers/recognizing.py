"""A task of recognition whose sounds are noise: for objectives that count words."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.tfmodels.decoding.recognizer import UNITS
from tests.tfmodels.decoding.recognizer import TableRecognizer
from tests.tfmodels.decoding.recognizer import sounds
from tests.trainers.toy import NUM_EXAMPLES
from tests.trainers.toy import ToyTask
from tfmodels.decoding.step import END
from tfmodels.decoding.step import START
from tfmodels.metrics.words import WordTable
from trainers.interfaces import Shard

WORDS = WordTable(UNITS)
LENGTH = 6


def utterances(rows: int = 4, seed: int = 0) -> dict[str, tf.Tensor]:
    """Batches with references of up to three words of one letter."""
    random = np.random.default_rng(seed)
    ends = random.integers(1, LENGTH, [rows, 1])
    places = np.arange(LENGTH)
    label = random.integers(6, len(UNITS), [rows, LENGTH])
    label[:, 1::2] = 5
    label = np.where(places < ends, label, np.where(places == ends, END, 0))
    target = np.pad(label[:, :-1], [[0, 0], [1, 0]], constant_values=START)
    return {
        **sounds(rows, seed=seed),
        "target": tf.constant(target, tf.int32),
        "label": tf.constant(label, tf.int32),
        "weight": tf.constant(places <= ends, tf.float32),
        "seed": tf.constant([[seed, row] for row in range(rows)], tf.int64),
    }


class ToyRecognition(ToyTask):
    """22 utterances, batches of 8."""

    words = WORDS
    language_models: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.spoken = utterances(NUM_EXAMPLES)

    def source(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {name: batch[name] for name in ("features", "lengths", "variety")}

    def units(self, text: str) -> Sequence[int]:
        return [UNITS.index(letter) for letter in text]

    def build_model(self) -> keras.Model:
        model = TableRecognizer()
        model.built = True
        return model

    def outputs(self, model: Any, batch: dict[str, Any], training: bool) -> Any:
        return model({**self.source(batch), "target": batch["target"]})

    def metrics(self, outputs: Any, batch: dict[str, Any]) -> dict[str, Any]:
        return {}

    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        records = (
            self._stream.endless(shard, start)
            if split == "train"
            else self._stream.single_pass(shard)
        )

        def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            batch = {
                name: tf.gather(values, record["index"])
                for name, values in self.spoken.items()
            }
            there = tf.cast(record["valid"], tf.float32)[:, None]
            return {**batch, "weight": batch["weight"] * there}

        return records.map(read)
