"""A task of made-up translations with batches like real ones, and no model."""

from typing import Any

import numpy as np
import tensorflow as tf

from trainers.data.stream import Stream
from trainers.interfaces import Shard
from trainers.interfaces import Stage
from trainers.objectives.reward_augmented.config import RewardAugmentedConfig
from trainers.objectives.reward_augmented.objective import RewardAugmented
from trainers.optimizers.config import MomentumSGD

FIRST, NUM_TOKENS, END = 5, 20, 2
NUM_SENTENCES = 22


class Sentences:
    """22 targets of 3 to 8 of 20 ordinary tokens, batches of 8 that end with 6."""

    splits = ("train", "test")
    ordinary_tokens = range(FIRST, FIRST + NUM_TOKENS)
    batch_size = 8

    def __init__(self) -> None:
        """Makes the targets."""
        random = np.random.default_rng(0)
        self.references = np.zeros([NUM_SENTENCES, 9], np.int32)
        for row in self.references:
            length = random.integers(3, 9)
            row[:length] = random.integers(FIRST, FIRST + NUM_TOKENS, length)
            row[length] = END
        self._stream = Stream(NUM_SENTENCES, self.batch_size, "pad", True, seed=3)

    def show(self, tokens: Any) -> str:
        """Numbers."""
        return " ".join(map(str, tokens))

    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """Batches of ``source``, ``target``, ``label`` and what says where from."""
        labels = tf.constant(self.references)

        def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            label = tf.gather(labels, record["index"])
            inputs = tf.pad(label[:, :-1], [[0, 0], [1, 0]], constant_values=1)
            valid = tf.cast(record["valid"], tf.float32)[:, None]
            return {
                "source": label[:, ::-1],
                "target": tf.where(label > 0, inputs, 0),
                "label": label,
                "weight": valid * tf.cast(label > 0, tf.float32),
                **{name: record[name] for name in ("index", "epoch", "seed")},
            }

        return self._stream.endless(shard, start).map(read)


def stage(**settings: Any) -> Stage:
    """A stage of the task with an objective of these settings."""
    task: Any = Sentences()
    objective = RewardAugmented(RewardAugmentedConfig.parse(settings), task)
    rate = {"kind": "constant", "initial": 0.1}
    return Stage(
        name="train",
        start=0,
        steps=100,
        task=task,
        objective=objective,
        optimizer=MomentumSGD.parse({"learning_rate": rate}),
        frozen=(),
    )
