"""Criteria of whole utterances and their exact derivatives with respect to scores.

Letters of shapes: B utterances, T frames, P outputs. All criteria are maximised. Names
of papers: MMI, sMBR and MPFE as in Vesely et al., Interspeech 2013; whole-graph (LF-)
MMI as in Povey et al., Interspeech 2016.
"""

from typing import NamedTuple
from typing import TypeAlias

import tensorflow as tf

from tfmodels.lattices.expectation import expectation
from tfmodels.lattices.forward_backward import log_partition
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.leaky import leaky_occupancies
from tfmodels.lattices.pruning import restricted
from tfmodels.lattices.transcript import Transcripts
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.trellis import is_possible
from tfmodels.lattices.trellis import size

_DROPPED_BELOW = 1e-20

Numerator: TypeAlias = tf.Tensor | Arcs | Transcripts
"""What was said: outputs of an alignment, int32 [B, T]; a graph of each; or words."""


class Denominator(NamedTuple):
    """What could have been said."""

    arcs: Arcs
    """The graph of all utterances, or a graph or stored lattice of each."""
    mask: tf.Tensor | None = None
    """bool [B, T, A], arcs of a lattice made on the fly."""
    leak: float = 0.0
    """Share of weight that leaks between all states."""


class Criterion(NamedTuple):
    """A criterion at some scores. Nothing in it is differentiable."""

    value: tf.Tensor
    """floating-point [B], F; 0 where `is_possible` is False."""
    derivative: tf.Tensor
    """floating-point [B, T, P], of F with respect to the scores; 0 in padding."""
    is_possible: tf.Tensor
    """bool [B], whether numerator and denominator have paths for the utterance."""
    is_dropped: tf.Tensor
    """bool [B, T], frames whose derivative was set to zero."""
    accuracy: tf.Tensor
    """floating-point [B], frames in which a competing path is expected to be right. For
    MMI the right states are those of the numerator, in proportion to their weight."""


class Sums(NamedTuple):
    """A sum over paths and its derivative."""

    log_z: tf.Tensor
    """floating-point [B], log partition function."""
    gamma: tf.Tensor
    """floating-point [B, T, P], occupancies; 0 in padding and without a path."""


def mmi(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    numerator: Sums,
    denominator: Denominator,
    boost: Labelled | None = None,
    drop_frames: bool = False,
) -> Criterion:
    """Maximum mutual information: ``log Z_num - log Z_den``.

    Args:
      scores: floating-point [B, T, P], log.
      lengths: int32 [B], frames of each utterance.
      numerator: sums over what was said, from `numerator_sums`.
      denominator: what could have been said.
      boost: added to the scores of the denominator's arcs.
      drop_frames: leave out frames where the reference has no weight among the
        competitors, for the alignment is likely to be wrong there.
    """
    competitors = _denominator_sums(scores, lengths, denominator, boost)
    shared = tf.reduce_sum(numerator.gamma * competitors.gamma, axis=-1)
    active = tf.sequence_mask(lengths, size(scores, 1))
    dropped = active & (shared < _DROPPED_BELOW) & drop_frames
    return _criterion(
        numerator.log_z - competitors.log_z,
        numerator.gamma - competitors.gamma,
        is_possible(numerator.log_z) & is_possible(competitors.log_z),
        dropped,
        tf.reduce_sum(shared, axis=-1),
    )


def minimum_bayes_risk(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    denominator: Denominator,
    accuracy: Labelled,
) -> Criterion:
    """Expected accuracy of a path: sMBR, MPFE or MPE, depending on the accuracy.

    Args:
      scores: floating-point [B, T, P], log.
      lengths: int32 [B], frames of each utterance.
      denominator: what could have been said.
      accuracy: how right an arc is in a frame.
    """
    accuracy = accuracy._replace(values=tf.cast(accuracy.values, scores.dtype))
    result = expectation(scores, lengths, denominator.arcs, accuracy, denominator.mask)
    none = tf.zeros(tf.shape(scores)[:2], tf.bool)
    possible = is_possible(result.log_z)
    return _criterion(result.value, result.derivative, possible, none, result.value)


def numerator_sums(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    numerator: Numerator,
    denominator: Denominator,
) -> Sums:
    """Sums over what was said.

    An alignment stands for all paths of the denominator with its outputs, so that
    weights of the graph count in both sums and MMI is never above 0.
    """
    if isinstance(numerator, Arcs):
        return Sums(*occupancies(scores, lengths, numerator))
    if isinstance(numerator, Transcripts):
        arcs, addend = numerator
        return Sums(*occupancies(scores, lengths, arcs, addend=addend))
    only = restricted(scores, numerator)
    log_z = log_partition(only, lengths, denominator.arcs, denominator.mask)
    kept = tf.sequence_mask(lengths, size(scores, 1)) & is_possible(log_z)[:, None]
    gamma = tf.one_hot(numerator, size(scores, 2), dtype=scores.dtype)
    return Sums(log_z, tf.where(kept[..., None], gamma, 0))


def frame_cross_entropy(
    logits: tf.Tensor, lengths: tf.Tensor, target: tf.Tensor
) -> tf.Tensor:
    """Summed log probability of the targets of each utterance.

    Args:
      logits: floating-point [B, T, P], unscaled.
      lengths: int32 [B], frames of each utterance.
      target: floating-point [B, T, P], occupancies; one of an alignment is 1 or 0.

    Returns:
      floating-point [B].
    """
    active = tf.sequence_mask(lengths, size(logits, 1))[..., None]
    # Selected before the softmax: what is not a number would spread through gradients.
    log_probs = tf.nn.log_softmax(tf.where(active, logits, 0))
    return tf.reduce_sum(tf.where(active, target * log_probs, 0), axis=(1, 2))


def auxiliary(derivative: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """``sum_tk G_t(k) a_t(k)``, whose gradient is that of F where G was taken.

    G may come from older parameters, even from another machine (Heigold et al., ICASSP
    2014): then it is F's tangent there.

    Args:
      derivative: floating-point [B, T, P], G, of F with respect to the outputs.
      outputs: floating-point [B, T, P], with present parameters.

    Returns:
      floating-point [B].
    """
    return tf.reduce_sum(tf.stop_gradient(derivative) * outputs, axis=(1, 2))


def differentiable(criterion: Criterion, scores: tf.Tensor) -> tf.Tensor:
    """The value of a criterion as a function of the scores it was taken at, [B]."""
    tangent = auxiliary(criterion.derivative, scores)
    return criterion.value + (tangent - tf.stop_gradient(tangent))


def _denominator_sums(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    denominator: Denominator,
    boost: Labelled | None,
) -> Sums:
    if denominator.leak:
        return Sums(
            *leaky_occupancies(scores, lengths, denominator.arcs, denominator.leak)
        )
    if boost is not None:
        boost = boost._replace(values=tf.cast(boost.values, scores.dtype))
    return Sums(
        *occupancies(scores, lengths, denominator.arcs, denominator.mask, boost)
    )


def _criterion(
    value: tf.Tensor,
    derivative: tf.Tensor,
    possible: tf.Tensor,
    dropped: tf.Tensor,
    accuracy: tf.Tensor,
) -> Criterion:
    """Zero where there is no path, and in frames that are dropped."""
    kept = possible[:, None] & ~dropped
    return Criterion(
        tf.stop_gradient(tf.where(possible, value, 0)),
        tf.stop_gradient(tf.where(kept[..., None], derivative, 0)),
        possible,
        dropped & possible[:, None],
        tf.stop_gradient(tf.where(possible, accuracy, 0)),
    )
