"""The objective: changes the targets of training batches, then takes a plain loss."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol
from typing import runtime_checkable

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.reward_augmentation.rewards import SEQUENCE_REWARDS
from tfmodels.reward_augmentation.rewards import Reward
from trainers.catalog import implementation
from trainers.functions import function_at
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.reward_augmented.classes import ClassTargets
from trainers.objectives.reward_augmented.config import RewardAugmentedConfig
from trainers.objectives.reward_augmented.sequences import SequenceTargets
from trainers.summaries import figures
from trainers.totals import means

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Task
    from trainers.interfaces import Totals

_LOG = logging.getLogger(__name__)


@runtime_checkable
class ClassTask(Protocol):
    """A task whose labels are classes."""

    labels: tuple[str, ...]
    """Their names."""


@runtime_checkable
class SequenceTask(Protocol):
    """A task whose labels are sequences of tokens."""

    ordinary_tokens: range
    """Numbers of the tokens that are neither padding nor any other special symbol."""

    def show(self, tokens: Sequence[int]) -> str:
        """Tokens as text."""


class RewardAugmented(Objective):
    """Maximum likelihood of outputs drawn by their reward.

    ``-sum_y q(y | y*) log p(y | x)`` with ``q`` proportional to ``exp(r(y, y*) / tau)``
    (Norouzi et al., 2016, equation 5; US 2019/0188566 A1, claim 1). The loss is divided
    by what the right outputs weigh: lengths of drawn ones do not alter it.
    """

    def __init__(self, config: RewardAugmentedConfig, task: "Task") -> None:
        """Looks at a first training batch, and warns of what it sees.

        Raises:
          ConfigError: the task has no labels for such a reward.
          DataError: a table of rewards cannot be read.
        """
        self.config = config
        make_base = implementation("objective", config.base.kind)
        self._base: Objective = make_base(config.base, task)
        self._targets: ClassTargets | SequenceTargets
        if config.reward == "table":
            classes = _suitable(task, ClassTask, config)
            self._targets = ClassTargets(config, len(classes.labels))
        else:
            tokens = _suitable(task, SequenceTask, config).ordinary_tokens
            self._targets = SequenceTargets(config, tokens, _reward(config))
            first = self.change_batch(next(iter(task.dataset("train"))))
            for warning in self._targets.warnings(first):
                _LOG.warning("%s", warning)

    @tf.autograph.experimental.do_not_convert
    def change_batch(self, batch: "Batch") -> "Batch":
        """See `ClassTargets.change_batch` and `SequenceTargets.change_batch`."""
        return self._targets.change_batch(batch)

    def loss(self, outputs: "Outputs", batch: "Batch") -> Loss:
        """The plain loss of a batch, changed or not.

        Returns:
          The sums; terms are those of the plain loss, and those of the targets.
        """
        loss = self._base.loss(outputs, batch)
        if isinstance(self._targets, ClassTargets):
            terms = self._targets.terms(outputs, batch)
            return Loss(loss.total, loss.weight, {**loss.terms, **terms})
        if "reference_weight" not in batch:
            return loss
        return self._targets.loss(loss, batch)

    def warnings(self, totals: "Totals") -> list[str]:
        """That few samples count, in the mean, if so."""
        if isinstance(self._targets, ClassTargets):
            return []
        effective = means(totals).get("effective_samples")
        return [] if effective is None else self._targets.warnings_of(effective)

    def figures(self, batch: "Batch") -> dict[str, Any]:
        """How many edits the targets of a changed batch have, for sequences."""
        if "edits" not in batch:
            return {}
        valid = np.asarray(batch["reference_weight"]) > 0
        edits = np.asarray(batch["edits"])[valid].astype(int)
        return {"edits": figures.counts(np.bincount(edits, minlength=1), "edits")}


def _suitable(task: "Task", kind: Any, config: RewardAugmentedConfig) -> Any:
    if not isinstance(task, kind):
        raise ConfigError(
            "objective.reward: the task has no labels for it. Expected reward: table"
            " for classes of images, another one for text. Received reward:"
            f" {config.reward} with the task {type(task).__name__}."
        )
    return task


def _reward(config: RewardAugmentedConfig) -> Reward | None:
    """The function of a reward that has no sampler.

    Raises:
      ConfigError: it cannot be imported.
    """
    if config.is_direct:
        return None
    if config.reward in SEQUENCE_REWARDS:
        return SEQUENCE_REWARDS[config.reward]
    reward: Reward = function_at(config.reward, "objective.reward")
    return reward
