"""Compensated errors, bits under a budget, gradients of training: by hand and force."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.quantization.allocation import allocate
from tfmodels.quantization.compensation import compensate
from tfmodels.quantization.fake import fake_quantize
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.ranges import solve


def test_inputs_that_have_nothing_in_common_leave_rounding_as_it_is():
    weights = np.random.default_rng(1).normal(size=(6, 21))
    moments = np.diag(np.linspace(1, 3, 21))
    found = compensate(weights, moments, 3, group_size=8)
    plain = quantize(weights, *solve(weights, 3, "newton", 8), 3, group_size=8)
    np.testing.assert_array_equal(found.codes, plain.codes)
    np.testing.assert_array_equal(found.scale, plain.scale)


def test_the_second_of_two_weights_makes_up_for_the_first():
    # Against the minimum over the second one, by the derivative of the error by hand.
    weights = np.random.default_rng(2).normal(size=(50, 2))
    moments = np.array([[2.0, 1.2], [1.2, 1.0]])
    found = compensate(weights, moments, 4, "minmax", group_size=1, damping=0.0)
    moved = weights[:, 0] - found.dequantize()[:, 0]
    # Groups of one weight are exact: the second one is what it was moved to.
    np.testing.assert_allclose(moved, 0, atol=1e-6)
    found = compensate(weights, moments, 2, "minmax", damping=0.0)
    scale, offset = found.scale[:, 0], found.offset[:, 0]
    lost = weights[:, 0] - found.dequantize()[:, 0]
    best = weights[:, 1] + lost * moments[0, 1] / moments[1, 1]
    expected = np.clip(np.rint((best - offset) / scale), 0, 3)
    np.testing.assert_array_equal(found.codes[:, 1], expected)


def test_outputs_are_nearer_than_those_of_rounding():
    random = np.random.default_rng(3)
    inputs = random.normal(size=(400, 8)) @ random.normal(size=(8, 48))
    inputs += 0.1 * random.normal(size=inputs.shape)
    weights = random.laplace(size=(32, 48))
    moments = inputs.T @ inputs / len(inputs)
    wanted = inputs @ weights.T
    found = compensate(weights, moments, 3, group_size=16)
    plain = quantize(weights, *solve(weights, 3, "newton", 16), 3, group_size=16)
    errors = [
        np.square(inputs @ codes.dequantize().T - wanted).mean()
        for codes in (found, plain)
    ]
    assert errors[0] < 0.5 * errors[1]
    with pytest.raises(DataError, match=r"\[48, 48\]"):
        compensate(weights, moments[:5, :5], 3)


def test_bits_are_the_best_of_all_within_the_budget():
    # Errors fall by a quarter with each bit, sizes are equal: greedy is optimal.
    choices = (2, 3, 4, 5)
    errors = [{bits: a * 0.25**bits for bits in choices} for a in (1, 30, 7, 300)]
    sizes = [{bits: 100 * bits for bits in choices}] * 4
    for budget in (800, 1000, 1350, 2000, 9999):
        best = min(
            sum(error[bits] for error, bits in zip(errors, all_bits, strict=True))
            for all_bits in itertools.product(choices, repeat=4)
            if 100 * sum(all_bits) <= budget
        )
        chosen = allocate(errors, sizes, budget)
        assert 100 * sum(chosen) <= budget
        assert sum(e[b] for e, b in zip(errors, chosen, strict=True)) == best
    with pytest.raises(ConfigError, match="800 bytes"):
        allocate(errors, sizes, 799)


@pytest.mark.parametrize(
    ("gradient", "expected"),
    [("ste", [1, 1, 1, 1]), ("pwl", [0, 1, 1, 0]), ("mad", [0.5, 1, 1, 0.25])],
)
def test_gradients_by_hand(gradient, expected):
    # The range is 0 to 6, its middle 3: -3 is 6 away from it, 15 is 12.
    weights = tf.constant([-3.0, 0.9, 5.1, 15.0])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = fake_quantize(weights, 0.0, 6.0, 2, gradient)
    np.testing.assert_allclose(found, [0, 0, 6, 6])
    np.testing.assert_allclose(tape.gradient(found, weights), expected)
