"""Dropout and batch norm: what a layer keeps besides its weights."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.pipelined import FunctionTask
from tests.trainers.pipelined import assert_close
from tests.trainers.pipelined import opened
from tests.trainers.pipelined import trained
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage

pytestmark = pytest.mark.slow


def dropping(features: Any) -> Any:
    """Four items, two of them with dropout."""
    x = features
    for i in range(2):
        x = keras.layers.Dense(6, activation="tanh", name=f"hidden_{i}")(x)
        x = keras.layers.Dropout(0.5, name=f"dropout_{i}")(x)
    return keras.layers.Dense(3, name="head")(x)


@pytest.fixture(scope="module")
def reference() -> Any:
    """Weights after two steps of four micro-batches on one device."""
    return trained(2, {"stages": 1, "microbatches": 4}, FunctionTask(dropping))[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"stages": 1, "rematerialize": "always"},
        {"stages": 2},
        {"stages": 4, "rematerialize": "always"},
        {"stages": 1, "rematerialize": "always", "keep": ["dropout_0"]},
        {"stages": 2, "inline": True},
        {"stages": 2, "schedule": "zb_h1", "rematerialize": "except_last"},
    ],
)
def test_masks_depend_on_neither_stages_nor_recomputation(
    reference: Any, settings: dict[str, Any]
) -> None:
    task = FunctionTask(dropping)
    assert_close(reference, trained(2, {"microbatches": 4, **settings}, task)[0], 0.0)


def test_masks_are_those_of_micro_batches_one_after_the_other() -> None:
    task = FunctionTask(dropping)
    settings = {"stages": 2, "microbatches": 4, "rematerialize": "always"}
    one, summary = trained(2, {}, task, {"accumulation": 4})
    two, _ = trained(2, settings, task)
    assert_close(one, two)
    _, other = trained(2, {}, task)
    assert abs(other.gradient_norm - summary.gradient_norm) > 1e-3


def test_replicas_drop_different_things() -> None:
    def build(features: Any) -> Any:
        dropped = keras.layers.Dropout(0.5, name="dropout")(features)
        return keras.layers.Dense(3, use_bias=False, name="head")(dropped)

    task = FunctionTask(build, np.ones((2, 64)))
    start = task.build_model().weights[0].numpy()
    made = opened(toy_stage(task), {"stages": 1, "microbatches": 1, "replicas": 2})
    made.trainable.run(1)
    kept = np.abs(made.weights["head/kernel"] - start).max(axis=1) > 0
    # A half if both drop the same, else three quarters.
    assert 0.63 < kept.mean() < 0.87
    left, right = made.placed.model.get_layer(
        "dropout"
    ).seed_generator.state.value.values
    np.testing.assert_array_equal(left.numpy(), right.numpy())
    assert left.numpy()[1] == 1


def normalized(momentum: float, trainable: bool = True) -> Any:
    """A model that does nothing but normalize, and a dense layer after it."""

    def build(features: Any) -> Any:
        norm = keras.layers.BatchNormalization(
            momentum=momentum, name="norm", trainable=trainable
        )
        return keras.layers.Dense(3, name="head")(norm(features))

    return build


COLUMN = [[0.0], [2.0], [4.0], [6.0]]


def statistics(momentum: float, trainable: bool = True, **settings: Any) -> list[float]:
    """Moving mean and variance after a step on `COLUMN`."""
    task = FunctionTask(normalized(momentum, trainable), COLUMN)
    settings = {"stages": 2, "microbatches": 2, **settings}
    weights, _ = trained(1, settings, task)
    return [float(weights[f"norm/moving_{which}"][0]) for which in ("mean", "variance")]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rematerialize": "always"},
        {"schedule": "gpipe", "rematerialize": "except_last"},
        {"schedule": "zb_h1"},
        {"microbatches": 1, "replicas": 2},
        {"microbatches": 3},
    ],
)
def test_moving_moments_take_in_a_mini_batch_once(settings: dict[str, Any]) -> None:
    # 0.1 * 3 and 0.9 + 0.1 * 5, whatever the micro-batches.
    assert statistics(0.9, **settings) == pytest.approx([0.3, 1.4], rel=1e-5)


def test_moments_that_do_not_move_stay() -> None:
    assert statistics(1.0) == [0.0, 1.0]
    assert statistics(0.9, trainable=False) == [0.0, 1.0]
    assert statistics(0.0) == pytest.approx([3.0, 5.0], rel=1e-5)


def test_a_micro_batch_is_normalized_by_its_own_moments() -> None:
    weights, _ = trained(1, {"stages": 2, "microbatches": 2}, ToyTask())
    task = ToyTask()
    batch = next(iter(task.dataset("train")))
    model = task.build_model()
    variables = [v.value for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        losses = []
        for part in (slice(0, 4), slice(4, 8)):
            logits = model(batch["features"][part], training=True)["logits"]
            losses.append(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    batch["label"][part], logits
                )
            )
        loss = tf.reduce_mean(tf.concat(losses, 0))
    gradients = tape.gradient(loss, variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        expected = variable.numpy() - 0.1 * gradient.numpy()
        np.testing.assert_allclose(weights[variable.path], expected, 0, 1e-6)


def test_one_micro_batch_is_ordinary_batch_norm() -> None:
    one, _ = trained(3, {}, ToyTask())
    two, _ = trained(3, {"stages": 2, "microbatches": 1}, ToyTask())
    assert_close(one, two)


def test_statistics_of_replicas_stay_equal() -> None:
    made = opened(toy_stage(ToyTask()), {"stages": 2, "microbatches": 2, "replicas": 2})
    made.trainable.run(2)
    mean = made.placed.model.get_layer("norm").moving_mean.value
    left, right = mean.values
    np.testing.assert_array_equal(left.numpy(), right.numpy())
    assert np.abs(left.numpy()).max() > 0
