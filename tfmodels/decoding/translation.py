"""The best answers of a model that encodes a source once and answers step by step."""

from typing import Any
from typing import Protocol

import tensorflow as tf

from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.beam_search import beam_search
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.scores import max_lengths
from tfmodels.decoding.step import StepOutput
from tfmodels.decoding.step import repeated


class Translator(Protocol):
    """A model that answers step by step."""

    def encode(self, source: tf.Tensor) -> Any:
        """What the model knows of sources int32 [b, S]; a nest of tensors [b, ...]."""

    def initial_state(self, memory: Any) -> Any:
        """The state before the first token, a nest of tensors [b, ...]."""

    def step(self, tokens: tf.Tensor, state: Any, memory: Any) -> StepOutput:
        """What follows the tokens int32 [n], given a row of memory for each."""


def translate(
    model: Translator, source: tf.Tensor, config: BeamSearchConfig
) -> Hypotheses:
    """Searches for the best answers to a batch of sources.

    Args:
      model: answers step by step.
      source: int32 [b, S], padded with 0 at the end.
      config: the search; how long answers may be follows from each source's length.
    """
    mask = tf.cast(source > 0, tf.float32)
    lengths = tf.math.count_nonzero(source, axis=1, dtype=tf.int32)
    memory = model.encode(source)
    tiled = repeated(memory, config.beam_width)
    return beam_search(
        lambda tokens, state: model.step(tokens, state, tiled),
        model.initial_state(memory),
        max_lengths(lengths, config),
        max_lengths(tf.shape(source)[1], config),
        config,
        mask,
    ).hypotheses
