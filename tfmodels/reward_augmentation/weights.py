"""Importance weights of drawn outputs, and exact targets where outputs are few."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def importance_weights(log_target: tf.Tensor, log_proposal: tf.Tensor) -> tf.Tensor:
    """Self-normalised weights of K outputs drawn for one example.

    ``w_k`` is proportional to ``exp(r_k / tau_r) / g(y_k)`` with g as it really was
    drawn from, the factor (1 + ln choices) of the author's units included.

    Args:
      log_target: floating-point [..., K], reward over temperature.
      log_proposal: floating-point [..., K], log g, up to a constant of each example.

    Returns:
      [..., K], of sum 1.
    """
    return tf.nn.softmax(log_target - log_proposal, axis=-1)


def effective_samples(weights: tf.Tensor) -> tf.Tensor:
    """Effective sample size, ``1 / sum w^2``, [...], of weights [..., K] of sum 1."""
    return 1 / tf.reduce_sum(weights**2, axis=-1)


def grouped_rewards(
    num_classes: int, groups: Sequence[Sequence[int]], within: float
) -> np.ndarray:
    """Rewards of classes that form superclasses: 1, `within` in the same one, else 0.

    Returns:
      float64 [K, K], of each class (row) where each (column) is right; symmetric.
    """
    rewards = np.eye(num_classes)
    for group in groups:
        block = np.ix_(group, group)
        rewards[block] = np.maximum(rewards[block], within)
    return rewards


def soft_targets(rewards: np.ndarray, tau: float) -> np.ndarray:
    """The payoff distribution itself, where classes can be enumerated.

    Args:
      rewards: floating-point [K, K], of each class (row) where each (column) is right.
      tau: temperature.

    Returns:
      float64 [K, K]: row c is ``softmax(rewards[:, c] / tau)``, the target where class
      c is right.
    """
    logits = np.asarray(rewards, np.float64).T / tau
    logits -= logits.max(axis=1, keepdims=True)
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)
