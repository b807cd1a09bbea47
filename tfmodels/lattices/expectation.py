"""Expected accuracy of a path (expectation semiring), with its exact gradient."""

from typing import NamedTuple

import tensorflow as tf

from tfmodels.lattices.forward_backward import last_beta
from tfmodels.lattices.forward_backward import whole_weight
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.trellis import Trellis
from tfmodels.lattices.trellis import exponential_sum
from tfmodels.lattices.trellis import is_possible


class Expectation(NamedTuple):
    """Sums over the paths of each utterance."""

    value: tf.Tensor
    """floating-point [B], mean accuracy of a path; 0 where no path fits."""
    log_z: tf.Tensor
    """floating-point [B], as `log_partition`."""
    derivative: tf.Tensor
    """floating-point [B, T, P], of `value` with respect to the scores."""


def expected_accuracy(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    arcs: Arcs,
    accuracy: Labelled,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """Posterior mean of the summed accuracy of a path, one differentiable operation.

    Args:
      scores: floating-point [B, T, P], log; the recursions are of the same type.
      lengths: int32 [B], frames of each utterance.
      arcs: the graph or graphs.
      accuracy: of the arcs in each frame; it has no gradient.
      mask: bool [B, T, A], arcs that exist in a frame; all, if None.

    Returns:
      floating-point [B], 0 where no path fits the utterance.
    """

    @tf.custom_gradient
    def expectation(scores: tf.Tensor) -> tuple[tf.Tensor, object]:
        forward = _Forward(scores, lengths, arcs, accuracy, mask)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return forward.derivative() * upstream[:, None, None]

        return forward.value, gradient

    return expectation(scores)


def expectation(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    arcs: Arcs,
    accuracy: Labelled,
    mask: tf.Tensor | None = None,
) -> Expectation:
    """`expected_accuracy` and its derivative.

    The derivative is the sum over the arcs of an output of ``posterior (A_arc - F)``,
    where A_arc is the mean accuracy of paths through the arc.
    """
    forward = _Forward(scores, lengths, arcs, accuracy, mask)
    return Expectation(forward.value, forward.log_z, forward.derivative())


class _Forward:
    """The recursion from the first frame to the last, and what the other one needs."""

    def __init__(
        self,
        scores: tf.Tensor,
        lengths: tf.Tensor,
        arcs: Arcs,
        accuracy: Labelled,
        mask: tf.Tensor | None,
    ) -> None:
        self.trellis = Trellis(scores, lengths, arcs, mask)
        self.accuracy = self.trellis.labelled(accuracy)
        first = (self.trellis.initial, tf.zeros_like(self.trellis.initial))
        nothing = tf.zeros_like(self.trellis.states(first[0])[:, 0])
        *later, self.peaks = tf.scan(
            self._step, tf.range(self.trellis.num_frames), (*first, nothing)
        )
        self.alphas, self.phis = (
            tf.concat([start[None], rest], axis=0)
            for start, rest in zip(first, later, strict=True)
        )
        self.rest = whole_weight(self.trellis, self.alphas[-1])
        self.log_z = self.rest + tf.reduce_sum(self.peaks, axis=0)
        whole = self.trellis.states(self.alphas[-1] + self.trellis.final)
        means = tf.nn.softmax(whole) * self.trellis.states(self.phis[-1])
        self.value = tf.where(
            is_possible(self.log_z),
            tf.reduce_sum(means, axis=-1),
            tf.zeros([], scores.dtype),
        )

    def derivative(self) -> tf.Tensor:
        """The recursion back: floating-point [B, T, P]."""
        trellis = self.trellis
        # Starting from -F instead of 0 makes the sum through an arc A_arc - F.
        psi = tf.zeros_like(trellis.final) - trellis.spread(self.value)
        derivatives = tf.TensorArray(self.alphas.dtype, trellis.num_frames)
        start = (
            trellis.num_frames - 1,
            last_beta(trellis, self.rest),
            psi,
            derivatives,
        )
        *_, derivatives = tf.while_loop(
            lambda frame, *_: frame >= 0,
            self._step_back,
            start,
            maximum_iterations=trellis.num_frames,
        )
        return trellis.active_frames(derivatives.stack())

    def _step(
        self, state: tuple[tf.Tensor, tf.Tensor, tf.Tensor], frame: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Log weight of the paths to each state, their mean accuracy, and the peak."""
        trellis, (alpha, phi, _) = self.trellis, state
        source, target = trellis.source(frame), trellis.target(frame)
        arcs = tf.gather(alpha, source) + trellis.arc_scores(frame)
        means = tf.gather(phi, source) + self.accuracy(frame)
        weights, means = _weighted(arcs, means, target, trellis.num_states)
        peak = trellis.peak(frame, weights)
        return (
            trellis.where_active(frame, weights - trellis.spread(peak), alpha),
            trellis.where_active(frame, means, phi),
            peak,
        )

    def _step_back(
        self,
        frame: tf.Tensor,
        beta: tf.Tensor,
        psi: tf.Tensor,
        derivatives: tf.TensorArray,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
        """The same for the paths from each state, and the derivative in this frame."""
        trellis = self.trellis
        source, target = trellis.source(frame), trellis.target(frame)
        beta_less_peak = beta - trellis.spread(self.peaks[frame])
        arcs = tf.gather(beta_less_peak, target) + trellis.arc_scores(frame)
        means = tf.gather(psi, target) + self.accuracy(frame)
        posterior = tf.exp(tf.gather(self.alphas[frame], source) + arcs)
        gain = posterior * (tf.gather(self.phis[frame], source) + means)
        derivative = tf.math.unsorted_segment_sum(
            gain, trellis.pdf(frame), trellis.num_outputs
        )
        new = _weighted(arcs, means, source, trellis.num_states)
        return (
            frame - 1,
            trellis.where_active(frame, new[0], beta),
            trellis.where_active(frame, new[1], psi),
            derivatives.write(frame, derivative),
        )


def _weighted(
    weights: tf.Tensor,
    means: tf.Tensor,
    segments: tf.Tensor,
    num_segments: int | tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Log of the summed weights of each segment, and the weighted mean of `means`."""
    top, total, shares = exponential_sum(weights, segments, num_segments)
    sums = tf.math.unsorted_segment_sum(shares * means, segments, num_segments)
    return top + tf.math.log(total), sums / total
