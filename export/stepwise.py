"""A recogniser as converters take it: its answers are told one unit at a time."""

from typing import Any

import tensorflow as tf

from tfmodels.decoding.step import StepOutput

_OF_STEPS = "variety_log_probs"


class Stepwise:
    """A model that answers step by step, and is told answers like that too.

    Where the length of a sound is not known, TFLite has no arrays for what a loop over
    units sees of it. These loops keep nothing but scores of varieties.

    Args:
      model: has what `tfmodels.decoding.translation.Translator` lists; it scores
        varieties at each step if its state has ``variety_log_probs``, their sums.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def encode(self, source: Any) -> dict[str, Any]:
        """See `Translator`."""
        memory: dict[str, Any] = self._model.encode(source)
        return memory

    def initial_state(self, memory: Any) -> Any:
        """See `Translator`."""
        return self._model.initial_state(memory)

    def step(self, tokens: tf.Tensor, state: Any, memory: Any) -> StepOutput:
        """See `Translator`."""
        output: StepOutput = self._model.step(tokens, state, memory)
        return output

    def decode_targets(self, memory: Any, target: tf.Tensor) -> dict[str, Any]:
        """``variety_logits`` float32 [n, T, K] of tokens int32 [n, T], or nothing.

        They are log-probabilities; behind an end they are 0.
        """
        first = self.initial_state(memory)
        if _OF_STEPS not in first:
            return {}
        length, classes = tf.shape(target)[1], first[_OF_STEPS].shape[1]
        shape = tf.stack([tf.shape(target)[0], length, classes])

        def body(place: tf.Tensor, state: Any, found: tf.Tensor) -> tuple[Any, ...]:
            after = self.step(tf.gather(target, place, axis=1), state, memory).state
            scores = after[_OF_STEPS] - state[_OF_STEPS]
            here = (tf.range(length) == place)[:, None]
            return place + 1, after, tf.where(here, scores[:, None], found)

        *_, found = tf.while_loop(
            lambda place, *_: place < length,
            body,
            (tf.constant(0), first, tf.zeros(shape)),
        )
        return {"variety_logits": found}
