"""Steps made of steps: ensembles, language models beside a model, other odds."""

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import tensorflow as tf

from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import Step
from tfmodels.decoding.step import StepOutput

if TYPE_CHECKING:
    from tfmodels.decoding.translation import Translator

_TINY = 1e-30


def ensemble(steps: Sequence[Step], shares: tf.Tensor | None = None) -> Step:
    """The mean of the probabilities that models give to the next token.

    Wu et al., arXiv 1609.08144, section 8.

    Args:
      steps: M models of the same tokens and the same source; where they have attention,
        its mean counts.
      shares: float32 [n, M], what each model counts in each row, sums being 1; all
        count the same when None.

    Returns:
      A step; its state is the tuple of theirs.
    """

    def step(tokens: tf.Tensor, state: Any) -> StepOutput:
        outputs = [one(tokens, part) for one, part in zip(steps, state, strict=True)]
        log_probs = tf.stack([output.log_probs for output in outputs], axis=1)
        attention = tf.stack([output.attention for output in outputs], axis=1)
        states = tuple(output.state for output in outputs)
        if shares is None:
            together = tf.reduce_logsumexp(log_probs, axis=1) - math.log(len(outputs))
            return StepOutput(together, states, tf.reduce_mean(attention, axis=1))
        logs = tf.where(shares > 0, tf.math.log(tf.maximum(shares, _TINY)), LOG_ZERO)
        together = tf.reduce_logsumexp(log_probs + logs[:, :, None], axis=1)
        attention = tf.reduce_sum(attention * shares[:, :, None], axis=1)
        return StepOutput(together, states, attention)

    return step


class Ensemble:
    """Models that answer together, as a `Translator`; see `ensemble`.

    Called like one of them, with ``source`` and ``target``, it gives as ``logits``
    float32 [b, T, V] the logs of the mean probabilities, and the mean ``attention``.

    Args:
      models: of the same tokens.
    """

    def __init__(self, models: "Sequence[Translator]") -> None:
        self._models = tuple(models)

    def __call__(self, inputs: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """What all of them say of whole targets."""
        models: tuple[Any, ...] = self._models
        made = [model(inputs, training=training) for model in models]
        logs = tf.stack([tf.nn.log_softmax(each["logits"]) for each in made])
        attention = tf.stack([each["attention"] for each in made])
        together = tf.reduce_logsumexp(logs, axis=0) - math.log(len(made))
        return {"logits": together, "attention": tf.reduce_mean(attention, axis=0)}

    def encode(self, source: Any) -> dict[str, Any]:
        """What each knows of sources, and the ``mask`` of them."""
        memories = tuple(model.encode(source) for model in self._models)
        return {"mask": memories[0]["mask"], "each": memories}

    def initial_state(self, memory: Any) -> Any:
        """The tuple of their states before the first token."""
        pairs = zip(self._models, memory["each"], strict=True)
        return tuple(model.initial_state(part) for model, part in pairs)

    def step(self, tokens: tf.Tensor, state: Any, memory: Any) -> StepOutput:
        """What follows, by the mean of their probabilities."""
        pairs = zip(self._models, memory["each"], strict=True)
        steps = [partial(model.step, memory=part) for model, part in pairs]
        return ensemble(steps)(tokens, state)


def smoothed(model: Step, exponent: float) -> Step:
    """Probabilities to a power, made to add up to 1 again; below 1 they are flatter.

    Answers that a search finds by them differ more (softmax smoothing: Weng et al.,
    Interspeech 2018).

    Args:
      model: any step.
      exponent: beta, what log-probabilities are multiplied with.
    """

    def step(tokens: tf.Tensor, state: Any) -> StepOutput:
        output = model(tokens, state)
        return output._replace(log_probs=tf.nn.log_softmax(exponent * output.log_probs))

    return step


def biased(model: Step, bias: tf.Tensor) -> Step:
    """Adds to the log-probability of each token; the sum over tokens is 1 no more.

    Args:
      model: any step.
      bias: float32 [n, V], not above 0, or searches may end too early.
    """

    def step(tokens: tf.Tensor, state: Any) -> StepOutput:
        output = model(tokens, state)
        return output._replace(log_probs=output.log_probs + bias)

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
