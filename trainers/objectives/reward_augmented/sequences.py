"""Targets of sequences: drawn from the payoff, each from its example's own seed."""

import functools
from typing import TYPE_CHECKING
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.reward_augmentation.payoff import warnings_for
from tfmodels.reward_augmentation.rewards import Reward
from tfmodels.reward_augmentation.sampler import COUNT
from tfmodels.reward_augmentation.sampler import Sampled
from tfmodels.reward_augmentation.sampler import Sampler
from tfmodels.reward_augmentation.sampler import random_numbers
from tfmodels.reward_augmentation.weights import effective_samples
from tfmodels.reward_augmentation.weights import importance_weights
from trainers.interfaces import Loss
from trainers.objectives.reward_augmented.config import RewardAugmentedConfig

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Totals

_FEW_EFFECTIVE = 0.1
"""Share of the samples, besides the one that always does, that must count."""


class _Layout(NamedTuple):
    """How a kind of batch holds its labels and what the model reads of them."""

    inputs: str
    """Key of the labels one place later, which a model reads to predict them."""
    padded: bool
    """Whether labels end with a token of their own and are then padded with 0: they may
    change their length."""


_TRANSLATION = _Layout("target", padded=True)
_LANGUAGE = _Layout("tokens", padded=False)


class SequenceTargets:
    """Puts drawn outputs in the place of right ones: as labels and as model's inputs.

    A batch of b examples becomes one of b times K rows, the K samples of an example one
    after another; what is not a target is repeated. It gets, float32 [b K]:
    ``reference_weight``, the K-th part of what the example weighs in the plain loss;
    ``sample_weight``, which add up to 1 in each example, or 0 where it does not count;
    ``edits``, of ``editable`` tokens; ``log_prob`` of the draw; and with importance
    weights ``reward`` and ``effective_samples``.

    Args:
      config: what to draw.
      ordinary: numbers of the tokens that may be edited and put in.
      reward: of outputs for which there is no sampler.
    """

    def __init__(
        self, config: RewardAugmentedConfig, ordinary: range, reward: Reward | None
    ) -> None:
        self._config = config
        self._ordinary = ordinary
        self._reward = reward
        self.payoff = config.payoff(len(ordinary))
        """What is drawn from, at the first temperature."""
        self._sampler = Sampler(self.payoff, ordinary.start, config.max_tokens)

    def change_batch(self, batch: "Batch") -> "Batch":
        """Draws the targets of a batch.

        Args:
          batch: of translation (``target``) or of language modelling (``tokens``), with
            ``label`` int32 [b, T], ``weight`` float32 [b, T], ``seed`` int64 [b, 2] and
            ``epoch`` int64 [b].

        Raises:
          ConfigError: labels of this kind cannot be drawn so.
        """
        layout, num_samples = self._layout(batch), self._config.samples
        batch = {name: _repeat(value, num_samples) for name, value in batch.items()}
        label, weight = batch["label"], batch["weight"]
        lengths = tf.fill([label.shape[0]], tf.shape(label)[1])
        if layout.padded:
            lengths = tf.math.count_nonzero(label, axis=1, dtype=tf.int32)
        editable = (weight > 0) & self._is_ordinary(label)
        drawn = self._draw(batch, lengths, editable, int(layout.padded))
        counts = tf.cast(tf.reduce_any(weight > 0, axis=1), tf.float32)
        changes = {
            "reference_weight": tf.reduce_sum(weight, axis=1) / num_samples,
            "sample_weight": counts / num_samples,
            "edits": tf.cast(drawn.distance, tf.float32),
            "editable": tf.math.count_nonzero(editable, axis=1, dtype=tf.float32),
            "log_prob": drawn.log_prob,
        }
        present = tf.sequence_mask(drawn.lengths, tf.shape(drawn.ids)[1])
        new_weight = weight
        if layout.padded:
            new_weight = tf.cast(present, tf.float32)
        if self._reward is not None:
            # Of the tokens that count; in translations not of the one that ends them.
            now, then = new_weight > 0, weight > 0
            if layout.padded:
                now = tf.pad(present[:, 1:], [[0, 0], [0, 1]])
                then = tf.pad(then[:, 1:], [[0, 0], [0, 1]])
            changes |= self._rated(self._reward, batch, drawn, now, then)
            changes["sample_weight"] *= counts
        first = batch[layout.inputs][:, :1]
        inputs = tf.concat([first, drawn.ids[:, :-1]], axis=1)
        width = None if layout.padded else label.shape[1]
        changes |= {
            "label": drawn.ids,
            "weight": new_weight * changes["sample_weight"][:, None],
            layout.inputs: tf.where(present, inputs, 0),
        }
        if layout.padded:
            # Other labels, such as the variety, are those of whole examples.
            for name in (name for name in batch if name.endswith("_label")):
                changes[name] = tf.where(present, batch[name][:, :1], 0)
        for name in ("label", "weight", layout.inputs):
            changes[name] = tf.ensure_shape(changes[name], [label.shape[0], width])
        return {**batch, **changes}

    def _layout(self, batch: "Batch") -> _Layout:
        missing = [name for name in ("label", "seed", "epoch") if name not in batch]
        layout = _TRANSLATION if _TRANSLATION.inputs in batch else _LANGUAGE
        if missing or layout.inputs not in batch:
            raise ConfigError(
                "objective.reward: these examples are not sequences whose labels can be"
                " drawn. Expected text, or reward: table. Received examples of"
                f" {', '.join(sorted(batch))}."
            )
        if not layout.padded and self.payoff.edits == "edit":
            raise ConfigError(
                "objective.reward: labels in the middle of a text cannot change their"
                " number. Expected reward: hamming, or proposal: hamming, for language"
                f" modelling. Received reward: {self._config.reward}."
            )
        return layout

    def _is_ordinary(self, ids: tf.Tensor) -> tf.Tensor:
        return (ids >= self._ordinary.start) & (ids < self._ordinary.stop)

    def _draw(
        self, batch: "Batch", lengths: tf.Tensor, editable: tf.Tensor, tail: int
    ) -> Sampled:
        """The samples, some of which the configuration makes the reference itself."""
        config, label = self._config, batch["label"]
        keys, is_reference = self._keys(batch["seed"])
        tau = self._tau(batch) if config.is_direct else self.payoff.tau
        tail += config.protect_last
        return self._sampler(label, lengths, editable, keys, tau, tail, is_reference)

    def _keys(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Keys of the rows' draws, uint32 [b K, 3]; rows that keep the reference."""
        config = self._config
        words = tf.random.stateless_uniform(
            [config.samples + 1],
            [config.seed, 0],
            minval=None,
            maxval=None,
            dtype=tf.uint32,
            alg="philox",
        )
        rows = seed.shape[0]
        seed = tf.cast(seed, tf.uint32)
        number = tf.range(rows) % config.samples
        keys = tf.concat([seed, tf.gather(words, number)[:, None]], axis=1)
        is_reference = config.include_reference & (number == 0)
        if config.ml_mix:
            # The same for all samples of an example.
            own = tf.concat([seed, tf.fill([rows, 1], words[-1])], axis=1)
            level = tf.cast(random_numbers(own, 1, COUNT)[0][:, 0], tf.float64)
            is_reference |= level < config.ml_mix * 2.0**31
        return keys, is_reference

    def _tau(self, batch: "Batch") -> tf.Tensor:
        """The temperature of each row, float64 [b K]."""
        config, epoch = self._config, tf.cast(batch["epoch"], tf.float64)
        last = config.tau if config.final_tau is None else config.final_tau
        done = tf.minimum(epoch / config.tau_epochs, 1)
        return config.tau + (last - config.tau) * done

    def _rated(
        self,
        reward: Reward,
        batch: "Batch",
        drawn: Sampled,
        now: tf.Tensor,
        then: tf.Tensor,
    ) -> "Batch":
        """Rewards of the samples, their importance weights, and how well these do."""
        rewards = tf.numpy_function(
            functools.partial(_rewards, reward),
            [drawn.ids, now, batch["label"], then],
            tf.float32,
        )
        rewards = tf.ensure_shape(rewards, [batch["label"].shape[0]])
        target = rewards / tf.cast(self._tau(batch), tf.float32)
        table = [-1, self._config.samples]
        weights = importance_weights(
            tf.reshape(target, table), tf.reshape(drawn.log_prob, table)
        )
        effective = tf.repeat(effective_samples(weights), self._config.samples)
        return {
            "reward": rewards,
            "sample_weight": tf.reshape(weights, rewards.shape),
            "effective_samples": tf.reshape(effective, rewards.shape),
        }

    def warnings(self, batch: "Batch") -> list[str]:
        """What a user should know, from a first changed batch, not in a graph."""
        valid = np.asarray(batch["reference_weight"]) > 0
        if not valid.any():
            return []
        length = int(np.median(np.asarray(batch["editable"])[valid]))
        found = warnings_for(self.payoff, length)
        if "effective_samples" in batch:
            effective = np.median(np.asarray(batch["effective_samples"])[valid])
            found += self.warnings_of(float(effective))
        return found

    def warnings_of(self, effective: float) -> list[str]:
        """What a user should know of the samples of an example that count."""
        samples = self._config.samples
        if effective >= 1 + _FEW_EFFECTIVE * (samples - 1):
            return []
        return [
            f"of {samples} samples only {effective:.3g} count: rewards at this"
            " objective.tau are far from what is drawn; raise it or change"
            " objective.proposal_tau"
        ]

    def loss(self, plain: Loss, batch: "Batch") -> Loss:
        """The plain loss of a changed batch over what the right outputs weigh."""
        weight = tf.reduce_sum(batch["reference_weight"])
        terms = self._terms(batch, plain.total)
        return Loss(plain.total, weight, {**plain.terms, **terms})

    def _terms(self, batch: "Batch", total: tf.Tensor) -> "Totals":
        """Figures of a changed batch, as ratios of float32 [].

        ``edits`` of a target and ``edited_share`` of its tokens. Of outputs drawn from
        the payoff itself: its ``target_entropy``, and the model's ``divergence`` from
        it, KL(q || p), nats, both estimates. Else ``reward`` and ``proposal_reward``,
        with and without the importance weights, and ``effective_samples``.
        """
        valid = tf.cast(batch["reference_weight"] > 0, tf.float32)
        count = tf.reduce_sum(valid)

        def mean(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.reduce_sum(valid * values), count

        edits, editable = mean(batch["edits"])[0], mean(batch["editable"])[0]
        found = {"edits": (edits, count), "edited_share": (edits, editable)}
        if self._reward is None:
            entropy = mean(-batch["log_prob"])[0]
            found["target_entropy"] = (entropy, count)
            divergence = self._config.samples * total - entropy
            found["divergence"] = (divergence, count)
        else:
            rated = batch["sample_weight"] * batch["reward"] * self._config.samples
            found["reward"] = mean(rated)
            found["proposal_reward"] = mean(batch["reward"])
            found["effective_samples"] = mean(batch["effective_samples"])
        return found


def _rewards(
    reward: Reward,
    ids: np.ndarray,
    now: np.ndarray,
    references: np.ndarray,
    then: np.ndarray,
) -> np.ndarray:
    """Rewards of the chosen tokens, float32 [b], where others are right."""
    rows = zip(ids, now, references, then, strict=True)
    found = [reward(y[m].tolist(), r[n].tolist()) for y, m, r, n in rows]
    return np.array(found, np.float32)


def _repeat(value: tf.Tensor, times: int) -> tf.Tensor:
    """Every row so many times in a row, with its static shape."""
    repeated = tf.repeat(value, times, axis=0)
    rows = None if value.shape[0] is None else times * value.shape[0]
    return tf.ensure_shape(repeated, [rows, *value.shape[1:]])
