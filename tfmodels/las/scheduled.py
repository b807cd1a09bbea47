"""Scheduled sampling: targets some of whose units the model has drawn itself."""

from typing import Any
from typing import Protocol

import tensorflow as tf

from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import PAD
from tfmodels.decoding.step import StepOutput
from tfmodels.las.config import ScheduledSampling
from tfmodels.layers.seeded import uniforms

_WHETHER, _WHICH = 21, 22


class Stepping(Protocol):
    """A model that answers step by step; see `tfmodels.decoding.translation`."""

    def initial_state(self, memory: Any) -> Any:
        """The state before the first token."""

    def step(self, tokens: tf.Tensor, state: Any, memory: Any) -> StepOutput:
        """What follows the tokens int32 [n]."""


def share_at(config: ScheduledSampling, step: tf.Tensor) -> tf.Tensor:
    """The share of units that are drawn at a step of the run, float32 []."""
    done = tf.cast(step - config.begin, tf.float32) / config.steps
    return config.share * tf.clip_by_value(done, 0.0, 1.0)


def with_own_units(
    model: Stepping,
    memory: Any,
    target: tf.Tensor,
    seed: tf.Tensor,
    share: tf.Tensor,
    vocabulary_size: int,
) -> tf.Tensor:
    """Draws some units of a target from the model, given those before, drawn ones too.

    Bengio et al., arXiv 1506.03099. No gradient goes through what is drawn, so that the
    model may be told the result as it is told any target. It works as in inference
    meanwhile, without dropout.

    Args:
      model: what draws.
      memory: of its `encode`.
      target: int32 [b, U]; its first unit and padding stay.
      seed: int64 [b, 2], of each row.
      share: float32 [], probability of each unit to be drawn.
      vocabulary_size: V.

    Returns:
      int32 [b, U].
    """
    target = tf.convert_to_tensor(target)
    length = target.shape[1] or tf.shape(target)[1]
    places = tf.range(length)
    drawn = (uniforms(seed, _WHETHER, length) < share) & (places > 0) & (target != PAD)
    # The largest of log-probabilities with such noise is a draw (Gumbel).
    flat = uniforms(seed, _WHICH, length * vocabulary_size)
    noise = -tf.math.log(-tf.math.log(tf.maximum(flat, 1e-20)))
    noise = tf.reshape(noise, [-1, length, vocabulary_size])
    padding = tf.where(tf.range(vocabulary_size) == PAD, LOG_ZERO, 0.0)
    held = tf.nest.map_structure(tf.stop_gradient, memory)

    def body(place: tf.Tensor, units: tf.Tensor, state: Any) -> Any:
        output = model.step(units[:, place], state, held)
        scores = output.log_probs + noise[:, place] + padding
        own = tf.argmax(scores, axis=-1, output_type=tf.int32)
        here = drawn & (places == place + 1)
        return place + 1, tf.where(here, own[:, None], units), output.state

    start = (tf.constant(0), target, model.initial_state(held))
    _, units, _ = tf.while_loop(
        lambda place, *_: place < length - 1,
        body,
        start,
        maximum_iterations=length - 1,
    )
    return units
