"""Models that change as training goes on learn at which step of the run they are."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.asynchronous import opened
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from trainers.abilities import ChangesInTraining
from trainers.actions import Anneal
from trainers.experiment import RunConfig
from trainers.interfaces import Summary
from trainers.strategies.config import DataParallelConfig
from trainers.strategies.data_parallel.strategy import DataParallel

SUMMARY = Summary(1, {}, 0, 0.1, 1.0, 1.0, {})


class Annealed(keras.Model):
    """A layer whose outputs are multiplied by one more than the number of the step."""

    def __init__(self) -> None:
        super().__init__(name="annealed")
        self.layer = keras.layers.Dense(3, name="layer")
        self.training_step = self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            name="training_step",
        )

    def at_step(self, step: int) -> None:
        """Takes the number."""
        self.training_step.assign(step)

    def call(self, x: Any, training: bool = False) -> Any:
        """Logits, float32 [b, 3]."""
        factor = tf.cast(tf.convert_to_tensor(self.training_step), tf.float32)
        return {"logits": (1 + factor) * self.layer(x)}


class AnnealedTask(ToyTask):
    """The toy's examples for that model."""

    def build_model(self) -> keras.Model:
        """The same weights each time."""
        keras.utils.set_random_seed(1)
        model = Annealed()
        model(np.zeros((1, 4), np.float32))
        return model


STAGE = toy_stage(AnnealedTask(), momentum=0.0)


def by_hand(steps: int, told: Any) -> np.ndarray:
    """The kernel after some steps, in NumPy; `told` gives the number of each."""
    model = AnnealedTask().build_model()
    kernel, bias = (np.asarray(v, np.float64) for v in model.layer.weights)
    for step, batch in enumerate(STAGE.task.dataset("train").take(steps)):
        x, weight = np.asarray(batch["features"], np.float64), batch["weight"].numpy()
        factor = 1 + told(step)
        logits = factor * (x @ kernel + bias)
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        error = (probs - np.eye(3)[batch["label"].numpy()]) * weight[:, None]
        error *= factor / weight.sum()
        kernel, bias = kernel - 0.1 * x.T @ error, bias - 0.1 * error.sum(axis=0)
    return kernel


def kernel_of(placed: Any) -> np.ndarray:
    return np.asarray(placed.model.layer.kernel)


def test_each_chunk_begins_with_the_number_of_its_step():
    model = AnnealedTask().build_model()
    assert isinstance(model, ChangesInTraining)
    assert not isinstance(ToyTask().build_model(), ChangesInTraining)
    anneal = Anneal(model, 7)
    assert int(model.training_step) == 7
    assert anneal.next_step(7) is None
    anneal(9, SUMMARY)
    assert int(model.training_step) == 9


@pytest.mark.parametrize("replicas", [1, 2])
def test_all_devices_are_told(replicas):
    config = DataParallelConfig.parse({"devices": "cpu", "replicas": replicas})
    strategy = DataParallel(config, RunConfig.parse({"steps": 100}))
    placed = strategy.build([STAGE])
    trainable = strategy.prepare(placed, STAGE, 0)
    anneal = Anneal(placed.model, 0)
    for step in (2, 4):
        trainable.run(2)
        anneal(step, SUMMARY)
    expected = by_hand(4, lambda step: step // 2 * 2)
    np.testing.assert_allclose(kernel_of(placed), expected, atol=1e-5)
    assert np.abs(expected - by_hand(4, lambda step: 0)).max() > 1e-2


def test_replicas_that_do_not_wait_count_for_themselves():
    made = opened(STAGE, {"replicas": 1})
    made.trainable.run(3)
    before = made.state
    made.trainable.run(2)
    expected = by_hand(5, lambda step: step)
    np.testing.assert_allclose(kernel_of(made.placed), expected, atol=1e-5)
    again = opened(STAGE, {"replicas": 1}, start=3)
    for name, value in before.items():
        again.trainable.state[name].assign(value)
    again.trainable.run(2)
    np.testing.assert_array_equal(kernel_of(again.placed), kernel_of(made.placed))
