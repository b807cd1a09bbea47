"""Every optimizer against the implementation it is named after."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.optimizers.config import Adam
from trainers.optimizers.config import AnyOptimizer
from trainers.optimizers.config import ConstantSchedule
from trainers.optimizers.config import MomentumSGD
from trainers.optimizers.config import PolynomialSchedule
from trainers.optimizers.config import RMSProp
from trainers.optimizers.factory import build_optimizer
from trainers.optimizers.factory import num_slots
from trainers.optimizers.gradients import apply_gradients

GRADIENTS = [[0.5, -1.0], [0.25, 0.0], [-1.0, 2.0]]


def trajectory(
    config: AnyOptimizer, gradients: list[list[float]], name: str = "bias"
) -> np.ndarray:
    """Weights after each step, from 0, float32 [steps, 2]."""
    variable = keras.Variable([0.0, 0.0], name=name)
    optimizer = build_optimizer(config, stage_length=3, steps_per_epoch=1)
    optimizer.build([variable])
    weights = []
    for gradient in gradients:
        apply_gradients(optimizer, [tf.constant(gradient)], [variable])
        weights.append(variable.numpy())
    return np.stack(weights)


def published(semantics: str, **values: Any) -> RMSProp:
    """RMSProp as Inception-v4 was trained with."""
    rate = ConstantSchedule(initial=0.045)
    return RMSProp.model_validate(
        {"learning_rate": rate, "semantics": semantics, **values}
    )


@pytest.mark.parametrize(
    ("semantics", "first"),
    [("tf1", 0.01621687), ("keras", 0.02222392), ("torch", 0.01942814)],
)
def test_rmsprop_first_step(semantics: str, first: float) -> None:
    weights = trajectory(published(semantics), [[0.5, 0.5]])
    np.testing.assert_allclose(weights[0], -first, rtol=0, atol=1e-8)


def test_rmsprop_second_step_of_keras() -> None:
    weights = trajectory(published("keras"), [[0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(weights[0] - weights[1], 0.04198546, rtol=0, atol=1e-8)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("epsilon", [1e-7, 1.0])
def test_rmsprop_tf1_equals_the_optimizer_of_tensorflow_1(
    momentum: float, epsilon: float
) -> None:
    variable = tf.Variable([0.0, 0.0])
    original = tf.compat.v1.train.RMSPropOptimizer(
        0.045, decay=0.9, momentum=momentum, epsilon=epsilon
    )
    expected = []
    for gradient in GRADIENTS:
        original.apply_gradients([(tf.constant(gradient), variable)])
        expected.append(variable.numpy())
    config = published("tf1", momentum=momentum, epsilon=epsilon)
    np.testing.assert_allclose(trajectory(config, GRADIENTS), expected, rtol=1e-6)


def test_rmsprop_torch_equals_torch_when_the_rate_changes() -> None:
    # torch 2.13: RMSprop(alpha=0.9, eps=1.0, momentum=0.9), lr 0.045, 0.035, 0.025.
    rates = PolynomialSchedule(initial=0.045, end=0.015, length=3)
    config = RMSProp(learning_rate=rates, semantics="torch")
    expected = [
        [-0.0194281433, 0.0341886133],
        [-0.0405092984, 0.0581206419],
        [-0.0356084071, 0.0439815894],
    ]
    np.testing.assert_allclose(trajectory(config, GRADIENTS), expected, rtol=2e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_against_its_recurrence(nesterov: bool) -> None:
    rate = ConstantSchedule(initial=0.1)
    config = MomentumSGD(learning_rate=rate, momentum=0.9, nesterov=nesterov)
    weight = velocity = np.zeros(2)
    expected = []
    for gradient in np.array(GRADIENTS):
        velocity = 0.9 * velocity - 0.1 * gradient
        weight = weight + (0.9 * velocity - 0.1 * gradient if nesterov else velocity)
        expected.append(weight)
    np.testing.assert_allclose(
        trajectory(config, GRADIENTS), expected, rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize(("name", "decays"), [("kernel", True), ("bias", False)])
def test_adam_decays_kernels_only_and_before_the_step(name: str, decays: bool) -> None:
    rate = ConstantSchedule(initial=0.01)
    plain = trajectory(Adam(learning_rate=rate), GRADIENTS)
    config = Adam(learning_rate=rate, weight_decay=0.5)
    decayed = trajectory(config, GRADIENTS, name)
    steps = np.diff(plain, axis=0, prepend=0.0)
    weight = np.zeros(2)
    expected = []
    for step in steps:
        weight = weight * (1 - 0.5 * 0.01 * decays) + step
        expected.append(weight)
    np.testing.assert_allclose(decayed, expected, rtol=1e-5)


def test_adam_with_decay_equals_adamw_of_keras_on_a_kernel() -> None:
    variable = keras.Variable([0.0, 0.0], name="kernel")
    original = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    expected = []
    for gradient in GRADIENTS:
        original.apply([tf.constant(gradient)], [variable])
        expected.append(variable.numpy())
    rate = ConstantSchedule(initial=0.01)
    config = Adam(learning_rate=rate, weight_decay=0.5)
    actual = trajectory(config, GRADIENTS, "kernel")
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_the_schedule_follows_the_steps_made() -> None:
    rates = PolynomialSchedule(initial=0.3, length=3)
    weights = trajectory(MomentumSGD(learning_rate=rates), [[1.0, -1.0]] * 3)
    np.testing.assert_allclose(weights[:, 0], [-0.3, -0.5, -0.6], rtol=1e-6)


def test_variables_are_called_the_same_in_every_process() -> None:
    rate = ConstantSchedule(initial=0.1)
    for _ in range(2):
        optimizer = build_optimizer(RMSProp(learning_rate=rate), 1, 1)
        optimizer.build([keras.Variable([0.0], name="kernel")])
        assert [variable.path for variable in optimizer.variables] == [
            "optimizer/iteration",
            "optimizer/kernel_velocity",
            "optimizer/kernel_momentum",
        ]


@pytest.mark.parametrize(
    ("config", "slots"),
    [
        (MomentumSGD(learning_rate=ConstantSchedule(initial=1.0), momentum=0.9), 1),
        (MomentumSGD(learning_rate=ConstantSchedule(initial=1.0), momentum=0.0), 0),
        (Adam(learning_rate=ConstantSchedule(initial=1.0)), 2),
        (published("tf1", momentum=0.9), 2),
    ],
)
def test_numbers_kept_for_each_weight(config: AnyOptimizer, slots: int) -> None:
    assert num_slots(config) == slots
