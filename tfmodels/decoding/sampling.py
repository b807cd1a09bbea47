"""Sequences drawn from a model, token by token."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.decoding.step import END
from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import PAD
from tfmodels.decoding.step import START
from tfmodels.decoding.step import Step
from tfmodels.decoding.step import repeated


class Samples(NamedTuple):
    """m sequences of each example, as they were drawn."""

    ids: tf.Tensor
    """int32 [b, m, T], `END` the last, if there was room, and `PAD` after it."""
    lengths: tf.Tensor
    """int32 [b, m], tokens with `END`."""
    log_probs: tf.Tensor
    """float32 [b, m, T], what the model gave to each token, 0 after `END`."""


def sample(
    step: Step,
    state: Any,
    seeds: tf.Tensor,
    limits: tf.Tensor,
    max_length: int | tf.Tensor,
    num_samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> Samples:
    """Draws sequences from ``P(Y|X)``, each token given those before it.

    What is drawn for an example depends on its seed and its probabilities alone, and
    is another where XLA draws. A
    sequence that reaches its limit is cut there: it has no `END`, and its probability
    is that of beginning so; the probabilities of all results add up to 1.

    Args:
      step: the model, of ``b * num_samples`` rows.
      state: nest of tensors [b, ...], before the first token.
      seeds: int32 or int64 [b, 2].
      limits: int32 [b], most tokens of each example's sequences, at most `max_length`.
      max_length: T of what is returned.
      num_samples: m.
      temperature: what log-probabilities are divided by; near 0 draws the likeliest.
      top_k: draws among so many likeliest tokens; among all when None.
    """
    batch = tf.shape(limits)[0]
    rows = batch * num_samples
    uniform = tf.map_fn(
        lambda seed: tf.random.stateless_uniform(
            tf.stack([num_samples, max_length]), seed, alg="philox"
        ),
        seeds,
        fn_output_signature=tf.TensorSpec([num_samples, None], tf.float32),
    )
    uniform = tf.reshape(uniform, [rows, max_length])
    limits = repeated(limits, num_samples)
    shape = tf.stack([rows, max_length])

    def going_on(_: tf.Tensor, over: tf.Tensor, *unused: Any) -> tf.Tensor:
        return tf.reduce_any(~over)

    def body(
        place: tf.Tensor,
        over: tf.Tensor,
        tokens: tf.Tensor,
        state: Any,
        samples: Samples,
    ) -> tuple[Any, ...]:
        # Rows that are over are asked for what would follow, to no effect.
        output = step(tokens, state)
        scores = output.log_probs / temperature
        if top_k is not None:
            least = tf.math.top_k(scores, top_k).values[:, -1:]
            scores = tf.where(scores >= least, scores, LOG_ZERO)
        tokens = _drawn(scores, tf.gather(uniform, place, axis=1))
        price = tf.gather(output.log_probs, tokens, batch_dims=1)
        here = (tf.range(tf.shape(samples.ids)[1]) == place) & ~over[:, None]
        samples = Samples(
            tf.where(here, tokens[:, None], samples.ids),
            samples.lengths + tf.cast(~over, tf.int32),
            tf.where(here, price[:, None], samples.log_probs),
        )
        over |= (tokens == END) | (place + 1 >= limits)
        return place + 1, over, tokens, output.state, samples

    *_, samples = tf.while_loop(
        going_on,
        body,
        (
            tf.constant(0),
            tf.zeros([rows], tf.bool),
            tf.fill([rows], START),
            repeated(state, num_samples),
            Samples(tf.fill(shape, PAD), tf.zeros([rows], tf.int32), tf.zeros(shape)),
        ),
        maximum_iterations=max_length,
    )
    apart = [batch, num_samples]
    return Samples(
        tf.reshape(samples.ids, [*apart, max_length]),
        tf.reshape(samples.lengths, apart),
        tf.reshape(samples.log_probs, [*apart, max_length]),
    )


def _drawn(scores: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """The token whose share of [0, 1) holds a number; int32 [n]."""
    sums = tf.cumsum(tf.nn.softmax(scores), axis=1)
    # Never beyond the last that has a share: the number is below 1.
    below = sums <= uniform[:, None] * sums[:, -1:]
    return tf.math.count_nonzero(below, axis=1, dtype=tf.int32)
