"""The beam search: best sequences of a batch of examples, within the graph."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.largest import largest
from tfmodels.decoding.scores import coverage_penalty
from tfmodels.decoding.scores import length_penalty
from tfmodels.decoding.step import END
from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import PAD
from tfmodels.decoding.step import START
from tfmodels.decoding.step import Step
from tfmodels.decoding.step import alive
from tfmodels.decoding.step import repeated


class Hypotheses(NamedTuple):
    """The N best sequences of each example, best first."""

    ids: tf.Tensor
    """int32 [b, N, T], `END` the last and `PAD` after it."""
    lengths: tf.Tensor
    """int32 [b, N], tokens with `END`; 0 where there are fewer than N sequences."""
    scores: tf.Tensor
    """float32 [b, N], what the order is by; `LOG_ZERO` where there is no sequence."""
    log_probs: tf.Tensor
    """float32 [b, N], ``log P(Y|X)``; `LOG_ZERO` where there is no sequence."""
    alignments: tf.Tensor
    """int32 [b, N, T], the source token with most attention; -1 after `END`, and
    everywhere without attention."""
    coverage: tf.Tensor
    """float32 [b, N, S], attention that each source token got."""


class Found(NamedTuple):
    """What a search found, and what that took."""

    hypotheses: Hypotheses
    expanded: tf.Tensor
    """int32 [b], sequences of which the model was asked for the next token."""


class _Beam(NamedTuple):
    """Sequences that go on, W of each example."""

    tokens: tf.Tensor
    """int32 [b, W], the last ones."""
    log_probs: tf.Tensor
    """float32 [b, W], `LOG_ZERO` in unused places."""
    ids: tf.Tensor
    """int32 [b, W, T]."""
    alignments: tf.Tensor
    """int32 [b, W, T]."""
    coverage: tf.Tensor
    """float32 [b, W, S]."""
    state: Any
    """Nest of [b W, ...]."""


def beam_search(
    step: Step,
    state: Any,
    limits: tf.Tensor,
    max_length: int | tf.Tensor,
    config: BeamSearchConfig,
    source_mask: tf.Tensor | None = None,
) -> Found:
    """Finds the sequences of highest ``log P / lp + cp`` that a beam meets.

    Wu et al., arXiv 1609.08144, section 7; US 11113480 B2. All sequences of an example
    begin as one. At each step the W most probable continuations of all of them remain;
    those that have ended leave the beam with their score. There are two prunings, of
    tokens that are less likely than the sequence's best next one by more than the
    margin, and of ended sequences whose score is so far below the best. A search is
    over when no sequence can still come that far, nor among the N best, were it certain
    from here on. At its limit a sequence ends, for the price that the model sets;
    before, only where the end is likely enough, if the configuration says how likely.

    Nothing of an example depends on others. Given static shapes, XLA compiles it.

    Args:
      step: the model, of ``b * beam_width`` rows.
      state: nest of tensors [b, ...], before the first token.
      limits: int32 [b], most tokens of each example's answers, `END` included; from 1
        to `max_length`.
      max_length: T of what is returned.
      config: what to look for.
      source_mask: float32 [b, S], 1 on source tokens; None if attention does not count.
    """
    width, batch = config.beam_width, tf.shape(limits)[0]
    mask = source_mask
    if mask is None:
        mask = tf.zeros([batch, 0])
    beam = _root(repeated(state, width), mask, max_length, width)
    finished = _nothing(mask, max_length, config.n_best)

    def going_on(_: tf.Tensor, beam: _Beam, *unused: Any) -> tf.Tensor:
        return tf.reduce_any(alive(beam.log_probs))

    def body(
        place: tf.Tensor, beam: _Beam, finished: Hypotheses, expanded: tf.Tensor
    ) -> tuple[tf.Tensor, _Beam, Hypotheses, tf.Tensor]:
        expanded += tf.math.count_nonzero(alive(beam.log_probs), axis=1, dtype=tf.int32)
        beam = _extended(step, beam, place, limits, config, source_mask is not None)
        ends = alive(beam.log_probs) & (beam.tokens == END)
        finished = _merged(finished, beam, ends, place + 1, mask, config)
        log_probs = tf.where(ends, LOG_ZERO, beam.log_probs)
        hopeless = _hopeless(log_probs, finished, limits, config)
        log_probs = tf.where(hopeless[:, None], LOG_ZERO, log_probs)
        return place + 1, beam._replace(log_probs=log_probs), finished, expanded

    _, _, finished, expanded = tf.while_loop(
        going_on,
        body,
        (tf.constant(0), beam, finished, tf.zeros([batch], tf.int32)),
        maximum_iterations=max_length,
    )
    return Found(_kept(finished, config), expanded)


def _root(state: Any, mask: tf.Tensor, max_length: Any, width: int) -> _Beam:
    batch = tf.shape(mask)[0]
    shape = tf.stack([batch, width, max_length])
    first = tf.one_hot(tf.zeros([batch], tf.int32), width, 0.0, LOG_ZERO)
    return _Beam(
        tf.fill([batch, width], START),
        first,
        tf.fill(shape, PAD),
        tf.fill(shape, -1),
        tf.repeat(tf.zeros_like(mask)[:, None], width, axis=1),
        state,
    )


def _nothing(mask: tf.Tensor, max_length: Any, count: int) -> Hypotheses:
    batch = tf.shape(mask)[0]
    shape = tf.stack([batch, count, max_length])
    none = tf.fill([batch, count], LOG_ZERO)
    coverage = tf.repeat(tf.zeros_like(mask)[:, None], count, axis=1)
    lengths = tf.zeros([batch, count], tf.int32)
    return Hypotheses(
        tf.fill(shape, PAD), lengths, none, none, tf.fill(shape, -1), coverage
    )


def _extended(
    step: Step,
    beam: _Beam,
    place: tf.Tensor,
    limits: tf.Tensor,
    config: BeamSearchConfig,
    attends: bool,
) -> _Beam:
    """The W most probable continuations by one token, ended ones among them."""
    batch, width = tf.shape(beam.tokens)[0], config.beam_width
    output = step(tf.reshape(beam.tokens, [-1]), beam.state)
    # W tokens of each are enough: more cannot be among the best W of all.
    count = min(width, output.log_probs.shape[-1])
    shape = [batch, width, count]
    values, tokens = largest(output.log_probs, count)
    values = tf.reshape(tf.maximum(values, LOG_ZERO), shape)
    tokens = tf.reshape(tokens, shape)
    if config.pruning_margin is not None:
        near = values >= values[:, :, :1] - config.pruning_margin
        values = tf.where(near, values, LOG_ZERO)
    if config.end_margin is not None:
        early = (tokens == END) & (values < values[:, :, :1] - config.end_margin)
        values = tf.where(early, LOG_ZERO, values)
    is_last = (place + 1 >= limits)[:, None, None]
    end = tf.maximum(tf.reshape(output.log_probs[:, END], [batch, width, 1]), LOG_ZERO)
    values = tf.where(is_last, _padded(end, count), values)
    tokens = tf.where(is_last, END, tokens)
    usable = alive(beam.log_probs)[:, :, None] & alive(values)
    sums = tf.where(usable, beam.log_probs[:, :, None] + values, LOG_ZERO)
    log_probs, index = tf.math.top_k(tf.reshape(sums, [batch, -1]), width)
    parent = index // count

    def chosen(x: tf.Tensor) -> tf.Tensor:
        return tf.gather(x, parent, batch_dims=1)

    def chosen_row(x: tf.Tensor) -> tf.Tensor:
        rows = tf.range(batch)[:, None] * width + parent
        return tf.ensure_shape(tf.gather(x, tf.reshape(rows, [-1])), x.shape)

    tokens = tf.gather(tf.reshape(tokens, [batch, -1]), index, batch_dims=1)
    here = tf.range(tf.shape(beam.ids)[2]) == place
    ids = tf.where(here, tokens[:, :, None], chosen(beam.ids))
    alignments, coverage = beam.alignments, beam.coverage
    if attends:
        attention = tf.reshape(output.attention, tf.shape(coverage))
        heaviest = chosen(tf.argmax(attention, -1, tf.int32))
        alignments = tf.where(here, heaviest[:, :, None], chosen(alignments))
        coverage = chosen(coverage + attention)
    state = tf.nest.map_structure(chosen_row, output.state)
    return _Beam(tokens, log_probs, ids, alignments, coverage, state)


def _padded(values: tf.Tensor, count: int) -> tf.Tensor:
    """``[..., 1]`` as the first of `count`, the others `LOG_ZERO`."""
    return tf.pad(values, [[0, 0], [0, 0], [0, count - 1]], constant_values=LOG_ZERO)


def _merged(
    finished: Hypotheses,
    beam: _Beam,
    ends: tf.Tensor,
    length: tf.Tensor,
    mask: tf.Tensor,
    config: BeamSearchConfig,
) -> Hypotheses:
    """The N best of what had ended and what ends now; of equals, the older one."""
    reward = config.token_reward * tf.cast(length, tf.float32)
    scores = (beam.log_probs + reward) / length_penalty(length, config)
    scores += coverage_penalty(beam.coverage, mask[:, None], config)
    new = Hypotheses(
        beam.ids,
        tf.where(ends, length, 0),
        tf.where(ends, scores, LOG_ZERO),
        tf.where(ends, beam.log_probs, LOG_ZERO),
        beam.alignments,
        beam.coverage,
    )
    both = [tf.concat(pair, axis=1) for pair in zip(finished, new, strict=True)]
    scores = both[2]
    index = tf.math.top_k(scores, config.n_best).indices
    return Hypotheses(*(tf.gather(x, index, batch_dims=1) for x in both))


def _hopeless(
    log_probs: tf.Tensor,
    finished: Hypotheses,
    limits: tf.Tensor,
    config: BeamSearchConfig,
) -> tf.Tensor:
    """Whether what is in the beam can change the answer no more, bool [b]."""
    # Neither log-probabilities nor coverage rise above 0, nor the divisor above this.
    highest = tf.reduce_max(log_probs, axis=1) / length_penalty(limits, config)
    # No divisor is below 1.
    highest += config.token_reward * tf.cast(limits, tf.float32)
    hopeless = highest <= finished.scores[:, -1]
    if config.pruning_margin is not None:
        hopeless |= highest < finished.scores[:, 0] - config.pruning_margin
    return hopeless


def _kept(finished: Hypotheses, config: BeamSearchConfig) -> Hypotheses:
    """Without what is too far below the best."""
    kept = finished.lengths > 0
    if config.pruning_margin is not None:
        kept &= finished.scores >= finished.scores[:, :1] - config.pruning_margin

    def masked(x: tf.Tensor, otherwise: float) -> tf.Tensor:
        shape = tf.concat([tf.shape(kept), tf.ones([x.shape.rank - 2], tf.int32)], 0)
        return tf.where(tf.reshape(kept, shape), x, tf.cast(otherwise, x.dtype))

    absent = Hypotheses(PAD, 0, LOG_ZERO, LOG_ZERO, -1, 0.0)
    return Hypotheses(*(masked(x, y) for x, y in zip(finished, absent, strict=True)))
