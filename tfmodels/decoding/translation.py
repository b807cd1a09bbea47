"""Answers of a model that encodes a source once: the best, drawn ones, given ones."""

from collections.abc import Callable
from typing import Any
from typing import Protocol

import tensorflow as tf

from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.beam_search import beam_search
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.config import LengthConfig
from tfmodels.decoding.sampling import Samples
from tfmodels.decoding.sampling import sample
from tfmodels.decoding.scores import max_lengths
from tfmodels.decoding.step import START
from tfmodels.decoding.step import Step
from tfmodels.decoding.step import StepOutput
from tfmodels.decoding.step import repeated
from tfmodels.metrics.likelihood import nats


class Translator(Protocol):
    """A model that answers step by step."""

    def encode(self, source: Any) -> dict[str, Any]:
        """What the model knows of sources, a tensor or nest of tensors [b, ...].

        Returns:
          A nest of tensors [b, ...]; its ``mask``, floating-point [b, S], is 0 where
          there is nothing to attend to.
        """

    def initial_state(self, memory: Any) -> Any:
        """The state before the first token, a nest of tensors [b, ...]."""

    def step(self, tokens: tf.Tensor, state: Any, memory: Any) -> StepOutput:
        """What follows the tokens int32 [n], given a row of memory for each."""


class Teachable(Translator, Protocol):
    """A model that can be told the answer as well; without dropout."""

    def decode_targets(self, memory: Any, target: tf.Tensor) -> dict[str, Any]:
        """``logits`` float32 [n, T, V] of what follows each token int32 [n, T]."""


Around = Callable[[Step, Any, int], tuple[Step, Any]]
"""What is put around a model that searches, such as a language model: takes its step,
its state before the first token, [b, ...], and how many rows the step has for each
example; returns the step and the state to search with."""


def translate(
    model: Translator,
    source: Any,
    config: BeamSearchConfig,
    around: Around | None = None,
) -> Hypotheses:
    """Searches for the best answers to a batch of sources.

    Args:
      model: answers step by step.
      source: what its `encode` takes, such as int32 [b, S], padded with 0 at the end.
      config: the search; how long answers may be follows from each source's length.
      around: see `Around`; None for the model alone.
    """
    return best_answers(model, model.encode(source), config, around)


def best_answers(
    model: Translator,
    memory: Any,
    config: BeamSearchConfig,
    around: Around | None = None,
) -> Hypotheses:
    """`translate` for sources that are encoded already.

    Args:
      model: see `translate`.
      memory: of its `encode`.
      config: see `translate`.
      around: see `translate`.
    """
    width = config.beam_width
    step, state = _stepping(model, memory, width)
    if around is not None:
        step, state = around(step, state, width)
    limits, longest = _limits(memory, config)
    mask = tf.cast(memory["mask"], tf.float32)
    return beam_search(step, state, limits, longest, config, mask).hypotheses


def drawn_answers(
    model: Translator, memory: Any, seeds: tf.Tensor, config: LengthConfig, count: int
) -> Samples:
    """Draws answers to sources that are encoded already.

    Args:
      model: answers step by step.
      memory: of its `encode`.
      seeds: int32 or int64 [b, 2].
      config: how long answers may be.
      count: m, answers to each source.
    """
    step, state = _stepping(model, memory, count)
    limits, longest = _limits(memory, config)
    return sample(step, state, seeds, limits, longest, count)


def log_probs_of(
    model: Teachable, memory: Any, ids: tf.Tensor, lengths: tf.Tensor
) -> tf.Tensor:
    """``log P`` of given answers, from the model that is told them.

    Args:
      model: gives the gradient, if one is wanted.
      memory: of its `encode`, a row for each source.
      ids: int32 [b, N, T], N answers to each.
      lengths: int32 [b, N], tokens of each that count, `END` being one of them.

    Returns:
      Floating-point [b, N], as the logits; sums over tokens, 0 of no tokens.
    """
    shape = tf.shape(ids)
    flat = tf.reshape(ids, [-1, ids.shape[2] or shape[2]])
    before = tf.pad(flat[:, :-1], [[0, 0], [1, 0]], constant_values=START)
    tiled = repeated(memory, ids.shape[1] or shape[1])
    logits = model.decode_targets(tiled, before)["logits"]
    costs = nats(logits, flat)
    counts = tf.sequence_mask(tf.reshape(lengths, [-1]), tf.shape(flat)[1])
    costs = tf.where(counts, costs, tf.zeros_like(costs))
    return tf.reshape(-tf.reduce_sum(costs, axis=1), shape[:2])


def _stepping(model: Translator, memory: Any, rows: int) -> tuple[Step, Any]:
    """The step of so many rows for each example, and its first state."""
    tiled = repeated(memory, rows)
    return (
        lambda tokens, state: model.step(tokens, state, tiled),
        model.initial_state(memory),
    )


def _limits(memory: Any, config: LengthConfig) -> tuple[tf.Tensor, Any]:
    """Most tokens of each example's answers, int32 [b], and of any."""
    mask = memory["mask"]
    lengths = tf.math.count_nonzero(mask, axis=1, dtype=tf.int32)
    # A number where it is known, so that shapes that follow from it are.
    longest = mask.shape[1] or tf.shape(mask)[1]
    return max_lengths(lengths, config), max_lengths(longest, config)
