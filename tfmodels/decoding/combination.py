"""Several models that search as one: ensembles, and language models beside a model."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfmodels.decoding.step import Step
from tfmodels.decoding.step import StepOutput


def ensemble(steps: Sequence[Step]) -> Step:
    """The mean of the probabilities that models give to the next token.

    Wu et al., arXiv 1609.08144, section 8.

    Args:
      steps: models of the same tokens and the same source; where they have attention,
        its mean counts.

    Returns:
      A step; its state is the tuple of theirs.
    """

    def step(tokens: tf.Tensor, state: Any) -> StepOutput:
        outputs = [one(tokens, part) for one, part in zip(steps, state, strict=True)]
        together = tf.reduce_logsumexp(
            tf.stack([output.log_probs for output in outputs]), axis=0
        )
        attention = tf.add_n([output.attention for output in outputs]) / len(outputs)
        states = tuple(output.state for output in outputs)
        return StepOutput(together - math.log(len(outputs)), states, attention)

    return step


def fused(model: Step, language_model: Step, weight: float | tf.Tensor) -> Step:
    """Adds what a language model finds: ``log P + weight * log P_LM``.

    The sum is no log-probability: those over all tokens do not add up to 1
    (Kannan et al., arXiv 1712.01996, section 2).

    Args:
      model: what knows the source; its attention counts.
      language_model: a model of the same tokens.
      weight: beta; a float, or float32 [n, 1] for one of each row.

    Returns:
      A step; its state is the pair of theirs.
    """

    def step(tokens: tf.Tensor, state: Any) -> StepOutput:
        output = model(tokens, state[0])
        other = language_model(tokens, state[1])
        log_probs = output.log_probs + weight * other.log_probs
        return StepOutput(log_probs, (output.state, other.state), output.attention)

    return step
