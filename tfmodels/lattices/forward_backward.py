"""Sums over all paths of a trellis: the partition function and the occupancies."""

from typing import NamedTuple

import tensorflow as tf

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.trellis import Trellis
from tfmodels.lattices.trellis import is_possible
from tfmodels.lattices.trellis import log_sum


def log_partition(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    arcs: Arcs,
    mask: tf.Tensor | None = None,
    addend: Labelled | None = None,
) -> tf.Tensor:
    """Log of the summed weights of all paths; its gradient is the occupancies.

    Nothing is differentiated through the loop. Compile it with XLA: without, it is
    about ten times slower.

    Args:
      scores: floating-point [B, T, P], log; the recursions are of the same type.
      lengths: int32 [B], frames of each utterance.
      arcs: the graph or graphs.
      mask: bool [B, T, A], arcs that exist in a frame; all, if None.
      addend: added to the scores of arcs; it has no gradient.

    Returns:
      floating-point [B]; where no path fits the utterance, about LOG_ZERO (see
      `is_possible`), and the gradient is zero.
    """

    @tf.custom_gradient
    def partition(scores: tf.Tensor) -> tuple[tf.Tensor, object]:
        trellis = Trellis(scores, lengths, arcs, mask, addend)
        sums = forward(trellis)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return _occupancies(trellis, sums) * upstream[:, None, None]

        return sums.log_z, gradient

    return partition(scores)


def occupancies(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    arcs: Arcs,
    mask: tf.Tensor | None = None,
    addend: Labelled | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """`log_partition`, and how probable each output is in each frame.

    Returns:
      floating-point [B], and floating-point [B, T, P] whose frames sum to 1; they are
      zero in padding and where no path fits the utterance.
    """
    trellis = Trellis(scores, lengths, arcs, mask, addend)
    sums = forward(trellis)
    return sums.log_z, _occupancies(trellis, sums)


class Forward(NamedTuple):
    """Weights of all paths from the start."""

    alphas: tf.Tensor
    """floating-point [T + 1, S, L], log, to each state before each frame and after the
    last, less the peaks of the frames so far."""
    peaks: tf.Tensor
    """floating-point [T, B], what was taken off after each frame."""
    rest: tf.Tensor
    """floating-point [B], log, of whole paths, less all peaks."""

    @property
    def log_z(self) -> tf.Tensor:
        """floating-point [B], log weight of whole paths."""
        return self.rest + tf.reduce_sum(self.peaks, axis=0)


def forward(trellis: Trellis) -> Forward:
    """The recursion from the first frame to the last."""

    def step(
        state: tuple[tf.Tensor, tf.Tensor], frame: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        alpha = state[0]
        arcs = tf.gather(alpha, trellis.source(frame)) + trellis.arc_scores(frame)
        new = log_sum(arcs, trellis.target(frame), trellis.num_states)
        peak = trellis.peak(frame, new)
        return trellis.where_active(frame, new - trellis.spread(peak), alpha), peak

    nothing = tf.zeros_like(trellis.states(trellis.initial)[:, 0])
    later, peaks = tf.scan(
        step, tf.range(trellis.num_frames), (trellis.initial, nothing)
    )
    alphas = tf.concat([trellis.initial[None], later], axis=0)
    return Forward(alphas, peaks, whole_weight(trellis, alphas[-1]))


def whole_weight(trellis: Trellis, last_alpha: tf.Tensor) -> tf.Tensor:
    """Log of the summed weights of whole paths, [B], from those of states, [S, L]."""
    return tf.reduce_logsumexp(trellis.states(last_alpha + trellis.final), axis=-1)


def last_beta(trellis: Trellis, rest: tf.Tensor) -> tf.Tensor:
    """Final weights over those of whole paths, [S, L], so that posteriors sum to 1.

    Where no path fits the utterance, all are LOG_ZERO and posteriors are zero.
    """
    possible = trellis.spread(is_possible(rest))
    return tf.where(possible, trellis.final - trellis.spread(rest), LOG_ZERO)


def _occupancies(trellis: Trellis, sums: Forward) -> tf.Tensor:
    """Occupancies [B, T, P] of outputs, from the forward weights.

    No path is more probable than 1, so that probabilities of arcs need no maximum to be
    relative to. Their sums are those of states, whose backward weights follow.
    """
    alphas, peaks, rest = sums

    def step(
        frame: tf.Tensor, beta: tf.Tensor, gammas: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        alpha, source = alphas[frame], trellis.source(frame)
        later = tf.gather(beta - trellis.spread(peaks[frame]), trellis.target(frame))
        arcs = tf.gather(alpha, source) + trellis.arc_scores(frame) + later
        posterior = tf.exp(arcs)
        gamma = tf.math.unsorted_segment_sum(
            posterior, trellis.pdf(frame), trellis.num_outputs
        )
        states = tf.math.unsorted_segment_sum(posterior, source, trellis.num_states)
        new = tf.where(states > 0, tf.math.log(states) - alpha, LOG_ZERO)
        beta = trellis.where_active(frame, new, beta)
        return frame - 1, beta, gammas.write(frame, gamma)

    gammas = tf.TensorArray(alphas.dtype, trellis.num_frames)
    start = (trellis.num_frames - 1, last_beta(trellis, rest), gammas)
    *_, gammas = tf.while_loop(
        lambda frame, *_: frame >= 0,
        step,
        start,
        maximum_iterations=trellis.num_frames,
    )
    return trellis.active_frames(gammas.stack())
