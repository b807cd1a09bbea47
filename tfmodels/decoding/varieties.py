"""Dialects and languages in a search: language models, units, and what is believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol

import tensorflow as tf

from tfmodels.decoding.combination import biased
from tfmodels.decoding.combination import ensemble
from tfmodels.decoding.combination import fused
from tfmodels.decoding.constraints import constrained
from tfmodels.decoding.constraints import counted
from tfmodels.decoding.constraints import listed
from tfmodels.decoding.forced import score
from tfmodels.decoding.step import END
from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import Step
from tfmodels.decoding.step import StepOutput
from tfmodels.decoding.step import repeated
from tfmodels.decoding.translation import Around


class LanguageModel(Protocol):
    """A model of the same units that knows no source."""

    def initial_state(self, num_rows: int | tf.Tensor) -> Any:
        """The state before the first token, a nest of tensors [n, ...]."""

    def step(self, tokens: tf.Tensor, state: Any) -> StepOutput:
        """What follows the tokens int32 [n]."""


@dataclass(frozen=True)
class LanguageModels:
    """The language model of each variety; some may share one."""

    models: tuple[LanguageModel, ...]
    of_variety: tuple[int, ...]
    """Number of each variety's model."""

    def initial_state(self, num_rows: int | tf.Tensor) -> Any:
        """Those of all models."""
        return tuple(model.initial_state(num_rows) for model in self.models)

    def step(self, variety: tf.Tensor) -> Step:
        """The step of one model, of their mixture where it is not clear which.

        Args:
          variety: float32 [n, K], how far each row belongs to each variety.
        """
        which = tf.one_hot(self.of_variety, len(self.models))
        steps = [model.step for model in self.models]
        return ensemble(steps, tf.matmul(tf.cast(variety, tf.float32), which))

    def log_probs(
        self, variety: tf.Tensor, ids: tf.Tensor, lengths: tf.Tensor
    ) -> tf.Tensor:
        """``log P`` of given sequences.

        Args:
          variety: float32 [b, K].
          ids: int32 [b, N, T].
          lengths: int32 [b, N], tokens of each that count, `END` being one of them.

        Returns:
          float32 [b, N].
        """
        count, length = ids.shape[1], ids.shape[2] or tf.shape(ids)[2]
        flat = tf.reshape(ids, [-1, length])
        prices = score(
            self.step(repeated(variety, count)),
            self.initial_state(tf.shape(flat)[0]),
            flat,
            tf.reshape(lengths, [-1]),
        )
        return tf.reshape(tf.reduce_sum(prices, axis=1), [-1, count])


def fusing(models: LanguageModels, weight: float, variety: tf.Tensor) -> Around:
    """Puts language models beside a model: ``log P + weight * log P_LM``.

    Kannan et al., arXiv 1712.01996; US 12254865 B2.

    Args:
      models: of each variety.
      weight: beta.
      variety: float32 [b, K], how far each example belongs to each variety.
    """

    def around(step: Step, state: Any, rows: int) -> tuple[Step, Any]:
        language = models.step(repeated(variety, rows))
        first = models.initial_state(tf.shape(variety)[0])
        return fused(step, language, weight), (state, first)

    return around


def keeping(units: tf.Tensor, varieties: tf.Tensor) -> Around:
    """Lets answers consist of the units of some varieties alone, and of `END`.

    Args:
      units: bool [K, V], which each variety has; its own symbol among them.
      varieties: bool [b, K], which each example may be of.
    """
    among = tf.matmul(tf.cast(varieties, tf.float32), tf.cast(units, tf.float32)) > 0
    among |= tf.range(units.shape[1]) == END

    def around(step: Step, state: Any, rows: int) -> tuple[Step, Any]:
        return constrained(step, listed(repeated(among, rows))), counted(state)

    return around


def expecting(prior: tf.Tensor, symbols: Sequence[int], num_units: int) -> Around:
    """Adds the log of a belief to the log-probabilities of varieties' symbols.

    Args:
      prior: float32 [b, K], probabilities; a symbol without any does not occur.
      symbols: K units.
      num_units: V.
    """
    logs = _logs(prior)
    bias = tf.linalg.matmul(logs, tf.one_hot(symbols, num_units))

    def around(step: Step, state: Any, rows: int) -> tuple[Step, Any]:
        return biased(step, repeated(bias, rows)), state

    return around


def together(*parts: Around) -> Around:
    """Puts one thing after another around a model, the first one inside."""

    def around(step: Step, state: Any, rows: int) -> tuple[Step, Any]:
        for part in parts:
            step, state = part(step, state, rows)
        return step, state

    return around


def posterior_of_steps(logits: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """What the steps of an answer together say of its variety.

    Softmax of the mean of the steps' log-probabilities, the end's among them.

    Args:
      logits: floating-point [b, T, K], scores of varieties at each step.
      lengths: int32 [b], steps that count.

    Returns:
      float32 [b, K], probabilities; equal shares of no steps.
    """
    logs = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    counts = tf.sequence_mask(lengths, tf.shape(logits)[1], tf.float32)
    total = tf.reduce_sum(logs * counts[:, :, None], axis=1)
    steps = tf.maximum(tf.cast(lengths, tf.float32), 1.0)
    return tf.nn.softmax(total / steps[:, None])


def believed(posterior: tf.Tensor, prior: tf.Tensor) -> tf.Tensor:
    """What a model finds of varieties by what is believed: ``q pi``, with a sum of 1.

    Args:
      posterior: float32 [b, K], probabilities.
      prior: float32 [b, K] or [K]; 0 for varieties that are not allowed.
    """
    return tf.nn.softmax(_logs(posterior) + _logs(prior))


def decided(posterior: tf.Tensor, threshold: float = 0.5) -> tf.Tensor:
    """The likeliest variety where it is likely enough, else all that are possible.

    Args:
      posterior: float32 [b, K], probabilities.
      threshold: the least probability of a variety that counts alone.

    Returns:
      float32 [b, K], a 1, or equal shares.
    """
    best = tf.one_hot(tf.argmax(posterior, axis=1), posterior.shape[1])
    possible = tf.cast(posterior > 0, tf.float32)
    equal = possible / tf.reduce_sum(possible, axis=1, keepdims=True)
    clear = tf.reduce_max(posterior, axis=1, keepdims=True) >= threshold
    return tf.where(clear, best, equal)


def _logs(probs: tf.Tensor) -> tf.Tensor:
    """Logs of probabilities; `LOG_ZERO` of 0."""
    return tf.where(probs > 0, tf.math.log(tf.where(probs > 0, probs, 1.0)), LOG_ZERO)
