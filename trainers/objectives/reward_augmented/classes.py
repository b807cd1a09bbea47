"""Targets of classes: the payoff distribution itself, from a table of rewards."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.reward_augmentation.weights import grouped_rewards
from tfmodels.reward_augmentation.weights import soft_targets
from trainers.objectives.reward_augmented.config import RewardAugmentedConfig

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Totals


class ClassTargets:
    """Puts a distribution over classes in the place of the right class.

    Args:
      config: with ``reward: table``.
      num_classes: classes that there are, K.

    Raises:
      ConfigError: a group has a class that there is not.
      DataError: the file is missing or has another shape.
    """

    def __init__(self, config: RewardAugmentedConfig, num_classes: int) -> None:
        self._rewards = _rewards(config, num_classes)
        soft = soft_targets(self._rewards, config.tau)
        self.targets = (1 - config.ml_mix) * soft + config.ml_mix * np.eye(num_classes)
        """float64 [K, K], row c is the target where class c is right."""
        self._group = np.arange(num_classes) + len(config.groups)
        for number, group in enumerate(config.groups):
            self._group[list(group)] = number
        self._has_groups = bool(config.groups)

    def change_batch(self, batch: "Batch") -> "Batch":
        """Adds ``label_probs`` float32 [..., K] to ``label`` int32 [...]."""
        targets = tf.constant(self.targets, tf.float32)
        return {**batch, "label_probs": tf.gather(targets, batch["label"])}

    def terms(self, outputs: "Outputs", batch: "Batch") -> "Totals":
        """``reward`` of the best class; ``superclass_error`` if there are groups.

        Of changed batches also ``target_entropy``, nats.
        """
        label, weight = batch["label"], batch["weight"]
        best = tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)
        num_classes = len(self.targets)
        rewards = tf.constant(self._rewards.ravel(), tf.float32)
        found = {"reward": tf.gather(rewards, best * num_classes + label)}
        if self._has_groups:
            group = tf.constant(self._group, tf.int32)
            wrong = tf.gather(group, best) != tf.gather(group, label)
            found["superclass_error"] = tf.cast(wrong, tf.float32)
        if "label_probs" in batch:
            probs = batch["label_probs"]
            found["target_entropy"] = -tf.reduce_sum(
                tf.math.multiply_no_nan(tf.math.log(probs), probs), axis=-1
            )
        total = tf.reduce_sum(weight)
        return {
            name: (tf.reduce_sum(weight * value), total)
            for name, value in found.items()
        }


def _rewards(config: RewardAugmentedConfig, num_classes: int) -> np.ndarray:
    if config.table is not None:
        return _read(config.table, num_classes)
    unknown = {c for group in config.groups for c in group if c >= num_classes}
    if unknown:
        raise ConfigError(
            "objective.groups: there is no such class. Expected numbers from 0 to"
            f" {num_classes - 1}. Received {sorted(unknown)}."
        )
    return grouped_rewards(num_classes, config.groups, config.within)


def _read(path: str, num_classes: int) -> np.ndarray:
    expected = (
        f"Expected {num_classes} lines of {num_classes} numbers with commas between"
        " them."
    )
    try:
        rewards = np.loadtxt(Path(path), delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(
            f"objective.table: not a table of rewards. {expected} Received {path}:"
            f" {error}."
        ) from None
    if rewards.shape != (num_classes, num_classes) or not np.isfinite(rewards).all():
        raise DataError(
            f"objective.table: not a reward for each two classes. {expected} Received"
            f" {path} with shape {rewards.shape}."
        )
    return rewards
