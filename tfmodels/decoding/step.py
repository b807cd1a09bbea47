"""What searches ask of a model: the scores of one step, and what comes after it."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import tensorflow as tf


class StepOutput(NamedTuple):
    """Scores of the next token of each of n hypotheses."""

    log_probs: tf.Tensor
    """float32 [n, V]."""
    state: Any
    """Nest of tensors [n, ...], to be handed to the next step."""
    attention: tf.Tensor
    """float32 [n, S], share of each source position; [n, 0] where a model has none."""


Step = Callable[[tf.Tensor, Any], StepOutput]
"""A function of tokens int32 [n] and the state. n = examples times width, hypotheses of
an example beside one another; what belongs to the example is in the closure."""
