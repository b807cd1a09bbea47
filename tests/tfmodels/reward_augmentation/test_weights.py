"""Importance weights, exact targets and identities, against enumeration."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.reward_augmentation.payoff import Payoff
from tfmodels.reward_augmentation.rewards import bleu
from tfmodels.reward_augmentation.rewards import f1
from tfmodels.reward_augmentation.rewards import gleu
from tfmodels.reward_augmentation.sampler import Sampler
from tfmodels.reward_augmentation.weights import effective_samples
from tfmodels.reward_augmentation.weights import grouped_rewards
from tfmodels.reward_augmentation.weights import importance_weights
from tfmodels.reward_augmentation.weights import soft_targets

STRINGS = list(itertools.product(range(4), repeat=4))
TAU = 0.8


def enumerated() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """GLEU of all strings against 0123, their distance, log of the proposal."""
    rewards = np.array([gleu(string, (0, 1, 2, 3)) for string in STRINGS])
    distance = np.array(
        [sum(a != b for a, b in zip(s, range(4), strict=True)) for s in STRINGS]
    )
    log_proposal = -distance * Payoff("hamming", 4, TAU).cost
    return rewards, distance, log_proposal - np.logaddexp.reduce(log_proposal)


def weighted_mean(weights: np.ndarray, values: np.ndarray) -> float:
    return float(np.sum(weights * values) / np.sum(weights))


def test_weights_with_the_true_denominator_give_the_payoff_of_gleu():
    rewards, distance, log_proposal = enumerated()
    proposal = np.exp(log_proposal)
    assert weighted_mean(proposal, rewards) == pytest.approx(0.700792, abs=1e-6)
    target = np.exp(rewards / TAU)
    assert weighted_mean(target, rewards) == pytest.approx(0.354343, abs=1e-6)
    assert (target / target.sum())[STRINGS.index((0, 1, 2, 3))] == pytest.approx(
        0.008865, abs=1e-6
    )
    weights = importance_weights(
        tf.constant(rewards / TAU) + tf.constant(log_proposal),
        tf.constant(log_proposal),
    ).numpy()
    np.testing.assert_allclose(weights, target / target.sum(), rtol=1e-12)
    # Public code takes off exp(-d / tau) alone, and converges to something else.
    wrong = proposal * np.exp(rewards / TAU + distance / TAU)
    assert weighted_mean(wrong, rewards) == pytest.approx(0.522915, abs=1e-6)
    share = (wrong / wrong.sum())[STRINGS.index((0, 1, 2, 3))]
    assert share == pytest.approx(0.198965, abs=1e-6)
    share = target / proposal
    effective = weighted_mean(proposal, share) ** 2 / weighted_mean(proposal, share**2)
    assert effective == pytest.approx(0.00874, abs=1e-5)


def test_drawn_and_weighted_outputs_have_the_mean_reward_of_the_payoff():
    # At a temperature of the reward where the weights are good.
    rewards = enumerated()[0]
    payoff = Payoff("hamming", 4, 1.5)
    count = 100_000
    keys = np.random.default_rng(0).integers(0, 2**32, (count, 3)).astype(np.uint32)
    ids = np.tile(np.arange(4, dtype=np.int32), (count, 1))
    drawn = Sampler(payoff, 0, 4)(
        ids, np.full(count, 4), np.ones_like(ids, bool), tf.constant(keys), 1.5
    )
    codes = drawn.ids.numpy() @ np.array([64, 16, 4, 1])
    weights = importance_weights(
        tf.constant(rewards[codes] / 0.3, tf.float32), drawn.log_prob
    ).numpy()
    expected = weighted_mean(np.exp(rewards / 0.3), rewards)
    error = np.sqrt(np.sum(weights**2 * (rewards[codes] - expected) ** 2))
    assert error < 0.01
    assert abs(weights @ rewards[codes] - expected) < 3 * error


def test_effective_samples_by_hand():
    weights = tf.constant([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(effective_samples(weights), [4, 1, 2])


@pytest.mark.parametrize(
    ("tau", "expected"), [(1.0, 0.231969), (0.5, 0.450853), (0.2, 0.942826)]
)
def test_classes_right_or_wrong_are_label_smoothing(tau: float, expected: float):
    targets = soft_targets(np.eye(10), tau)
    np.testing.assert_allclose(np.diag(targets), expected, atol=1e-6)
    share = (1 - expected) / 9 * 10
    smoothed = (1 - share) * np.eye(10) + share / 10
    np.testing.assert_allclose(targets, smoothed, atol=1e-6)
    logits = np.random.default_rng(0).normal(size=(10, 10))
    ours = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
    theirs = keras.losses.categorical_crossentropy(
        np.eye(10), logits, from_logits=True, label_smoothing=share
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_one_token_drawn_by_the_sampler_has_the_exact_target_as_its_mean():
    tau, count = 0.5, 40_000
    payoff = Payoff("hamming", 10, tau, "literal")
    keys = np.random.default_rng(1).integers(0, 2**32, (count, 3)).astype(np.uint32)
    ids = np.full([count, 1], 3)
    drawn = Sampler(payoff, 0, 1)(
        ids, np.ones(count), np.ones_like(ids, bool), tf.constant(keys), tau
    )
    shares = np.bincount(drawn.ids.numpy()[:, 0], minlength=10) / count
    exact = soft_targets(np.eye(10), tau)[3]
    assert (abs(shares - exact) < 4 * np.sqrt(exact / count)).all()


def test_rewards_of_groups_and_of_an_unsymmetric_table():
    rewards = grouped_rewards(4, [(0, 2)], 0.25)
    expected = [[1, 0, 0.25, 0], [0, 1, 0, 0], [0.25, 0, 1, 0], [0, 0, 0, 1]]
    assert rewards.tolist() == expected
    table = np.array([[1.0, 0.0], [0.5, 1.0]])
    targets = soft_targets(table, 0.5)
    # Where class 0 is right, class 1 is worth a half.
    assert targets[0, 1] == pytest.approx(1 / (1 + math.e))
    assert targets[1, 0] == pytest.approx(1 / (1 + math.e**2))


def test_divergences_of_enumerated_outputs():
    random = np.random.default_rng(0)
    strings = list(itertools.product(range(3), repeat=3))
    rewards = np.array(
        [-sum(a != b for a, b in zip(s, (0, 1, 2), strict=True)) for s in strings]
    )
    tau = 0.7
    log_z = np.logaddexp.reduce(rewards / tau)
    q = soft_targets(np.tile(rewards[:, None], 27), tau)[0]
    p = random.dirichlet(np.ones(27))
    entropy = -q @ np.log(q)
    augmented = -q @ np.log(p)
    assert abs(augmented - (q @ np.log(q / p) + entropy)) < 1e-12
    reinforced = tau * (p @ np.log(p)) - p @ rewards
    assert abs(reinforced / tau - (p @ np.log(p / q) - log_z)) < 1e-12
    assert log_z == pytest.approx(math.log(3.237208), abs=1e-6)


def test_rewards_by_hand():
    one = (1, 2, 3, 4, 5)
    assert gleu(one, one) == bleu(one, one) == f1(one, one) == 1
    # 4, 2, 1, 0 of 5, 4, 3, 2 n-grams are right.
    other = (1, 2, 3, 9, 5)
    assert gleu(other, one) == pytest.approx(7 / 14)
    expected = (4 / 5 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert bleu(other, one) == pytest.approx(expected)
    assert bleu(one[:4], one) == pytest.approx(math.exp(1 - 5 / 4))
    assert f1((5, 5, 1), (1, 5)) == pytest.approx(2 * 2 / 5)
    assert gleu((1,), one) == pytest.approx(1 / 14)
    assert bleu((), ()) == f1((), ()) == 1
    assert gleu((), ()) == 0
    assert gleu((), one) == bleu((), one) == bleu(one, ()) == f1((), one) == 0
