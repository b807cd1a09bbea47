"""What is learned: gradients and fixed points against the enumerated payoff."""

import itertools
from typing import Any

import numpy as np
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


def drawn() -> tuple[RewardAugmented, dict[str, tf.Tensor]]:
    """The same target with many seeds, changed."""
    task: Any = ThreeTokens()
    settings = {"reward": "hamming", "tau": TAU, "temperature_units": "literal"}
    made = RewardAugmented(RewardAugmentedConfig.parse(settings), task)
    label = tf.tile([[3, 4, 5, 2]], [NUM_DRAWS, 1])
    seeds = np.random.default_rng(0).integers(0, 2**32, (NUM_DRAWS, 2))
    batch = {
        "target": tf.tile([[1, 3, 4, 5]], [NUM_DRAWS, 1]),
        "label": label,
        "weight": tf.ones([NUM_DRAWS, 4]),
        "seed": tf.constant(seeds),
        "epoch": tf.zeros([NUM_DRAWS], tf.int64),
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
