"""What is learned: gradients and fixed points against the enumerated payoff."""

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.objectives.reward_augmented.sentences import Sentences
from tfmodels.reward_augmentation.payoff import Payoff
from trainers.objectives.reward_augmented.config import RewardAugmentedConfig
from trainers.objectives.reward_augmented.objective import RewardAugmented

NUM_DRAWS = 100_000
TAU = 0.8
ROUNDING = 2e-4
"""Of means of so many numbers in float32."""


class ThreeTokens(Sentences):
    """One target of three tokens out of three, and the end."""

    ordinary_tokens = range(3, 6)


def drawn(
    count: int = NUM_DRAWS, **more: Any
) -> tuple[RewardAugmented, dict[str, tf.Tensor]]:
    """The same target with many seeds, changed."""
    task: Any = ThreeTokens()
    settings = {"reward": "hamming", "tau": TAU, "temperature_units": "literal"}
    made = RewardAugmented(RewardAugmentedConfig.parse({**settings, **more}), task)
    label = tf.tile([[3, 4, 5, 2]], [count, 1])
    seeds = np.random.default_rng(0).integers(0, 2**32, (count, 2))
    batch = {
        "target": tf.tile([[1, 3, 4, 5]], [count, 1]),
        "label": label,
        "weight": tf.ones([count, 4]),
        "seed": tf.constant(seeds),
        "epoch": tf.zeros([count], tf.int64),
    }
    return made, made.change_batch(batch)


def exact_probs() -> np.ndarray:
    """Probability of each token at each place, by all 27 outputs, float64 [3, 3]."""
    probs = np.zeros([3, 3])
    for string in itertools.product(range(3), repeat=3):
        distance = sum(a != b for a, b in zip(string, range(3), strict=True))
        probs[range(3), string] += np.exp(-distance / TAU)
    return probs / probs[0].sum()


def test_gradient_and_fixed_point_of_a_model_without_context() -> None:
    made, batch = drawn()
    exact = exact_probs()
    share = Payoff("hamming", 3, TAU, "literal").cost
    assert exact[0, 1] == exact[2, 0]
    np.testing.assert_allclose(exact[0, 1], 1 / (np.exp(share) + 2), rtol=1e-12)

    @tf.function(autograph=False)
    def gradient(scores: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(scores)
            logits = tf.broadcast_to(scores, [NUM_DRAWS, 4, 6])
            total = made.loss({"logits": logits}, batch).total
        return tape.gradient(total, scores) / NUM_DRAWS

    scores = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    target = np.zeros([4, 6])
    target[:3, 3:], target[3, 2] = exact, 1
    error = np.sqrt(target * (1 - target) / NUM_DRAWS)
    found = gradient(tf.constant(scores)).numpy()
    assert (abs(found - (probs - target)) < 3.5 * error + ROUNDING).all()

    for _ in range(60):
        scores -= 4 * gradient(tf.constant(scores)).numpy()
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.abs(probs - target).max() < 0.01


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"samples": 4}, 0.0),
        # The right output is one of the samples, which is then biased.
        ({"samples": 4, "include_reference": True}, 0.25),
        # Plain training mixed in replaces q by a mixture with the right output.
        ({"samples": 2, "ml_mix": 0.3}, 0.3),
    ],
)
def test_the_mean_gradient_of_several_samples(settings: dict, kept: float) -> None:
    count = 20_000
    made, batch = drawn(count, **settings)
    right = np.eye(6)[[3, 4, 5, 2]]
    target = right.copy()
    target[:3, 3:] = kept * np.eye(3) + (1 - kept) * exact_probs()
    rows = len(batch["label"])
    assert rows == count * settings["samples"]
    scores = tf.constant(np.random.default_rng(1).normal(size=(4, 6)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        logits = tf.broadcast_to(scores, [rows, 4, 6])
        loss = made.loss({"logits": logits}, batch)
    assert float(loss.weight) == 4 * count
    found = tape.gradient(loss.total, scores).numpy() / count
    probs = tf.nn.softmax(scores).numpy()
    error = np.sqrt(target * (1 - target) / count)
    assert (abs(found - (probs - target)) < 4 * error + 5 * ROUNDING).all()
    # Other shares would be seen.
    assert abs(exact_probs() - np.eye(3)).max() * 0.05 > 4 * error.max() + 5 * ROUNDING
