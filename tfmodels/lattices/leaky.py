"""Sums over paths in the probability domain, with a leak between all states.

Povey et al., "Purely sequence-trained neural networks for ASR based on lattice-free
MMI", Interspeech 2016; the leak is that of the Kaldi toolkit's chain models: before
each frame, a share of the weight of all states goes to the states that may be first.
"""

import tensorflow as tf

from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.trellis import Trellis

_LARGEST_SCORE = 30.0
_FLOOR = 1e-37


def leaky_log_partition(
    scores: tf.Tensor, lengths: tf.Tensor, arcs: Arcs, leak: float
) -> tf.Tensor:
    """Log of the summed weights of all paths; its gradient is the occupancies.

    Args:
      scores: floating-point [B, T, P], log; clipped to [-30, 30], though the gradient
        is not, so that an output beyond can come back.
      lengths: int32 [B], frames of each utterance.
      arcs: the graph or graphs; initial weights are those of a distribution.
      leak: share of the weight that leaks; 1e-5 is customary, 0.1 in recipes.

    Returns:
      floating-point [B].
    """

    @tf.custom_gradient
    def partition(scores: tf.Tensor) -> tuple[tf.Tensor, object]:
        forward = _Forward(scores, lengths, arcs, leak)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return forward.occupancies() * upstream[:, None, None]

        return forward.log_z, gradient

    return partition(scores)


def leaky_occupancies(
    scores: tf.Tensor, lengths: tf.Tensor, arcs: Arcs, leak: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """`leaky_log_partition`, and how probable each output is in each frame.

    Returns:
      floating-point [B], and floating-point [B, T, P] whose frames sum to 1, zero in
      padding.
    """
    forward = _Forward(scores, lengths, arcs, leak)
    return forward.log_z, forward.occupancies()


class _Forward:
    """The recursion from the first frame to the last, and what the other one needs."""

    def __init__(
        self, scores: tf.Tensor, lengths: tf.Tensor, arcs: Arcs, leak: float
    ) -> None:
        scores = tf.clip_by_value(scores, -_LARGEST_SCORE, _LARGEST_SCORE)
        # Exponentials of outputs, of which there are fewer than arcs.
        weight = tf.exp(tf.cast(arcs.weight, scores.dtype))
        arcs = arcs._replace(weight=weight)
        self.trellis = Trellis(tf.exp(scores), lengths, arcs)
        self.leak = leak
        self.initial = tf.exp(self.trellis.initial)
        start = (self._leaked(self.initial), self._total(self.initial))
        later = tf.scan(self._step, tf.range(self.trellis.num_frames), start)
        # `alphas` after the leak; `totals` of the weights before, one per frame.
        self.alphas, self.totals = (
            tf.concat([first[None], rest], axis=0)
            for first, rest in zip(start, later, strict=True)
        )
        self.last = self._total(self.alphas[-1] * tf.exp(self.trellis.final))
        active = tf.sequence_mask(lengths, self.trellis.num_frames)
        scales = tf.where(active, tf.transpose(tf.math.log(self.totals[:-1])), 0)
        self.log_z = tf.math.log(self.last) + tf.reduce_sum(scales, axis=-1)

    def occupancies(self) -> tf.Tensor:
        """The recursion back: floating-point [B, T, P]."""
        trellis = self.trellis
        possible = trellis.spread(self.last > _FLOOR)
        final = tf.exp(trellis.final) / trellis.spread(self.last)
        beta = self._leaked_back(tf.where(possible, final, 0))
        gammas = tf.TensorArray(beta.dtype, trellis.num_frames)
        *_, gammas = tf.while_loop(
            lambda frame, *_: frame >= 0,
            self._step_back,
            (trellis.num_frames - 1, beta, gammas),
            maximum_iterations=trellis.num_frames,
        )
        return trellis.active_frames(gammas.stack())

    def _step(
        self, state: tuple[tf.Tensor, tf.Tensor], frame: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        trellis, (alpha, total) = self.trellis, state
        scaled = alpha / trellis.spread(total)
        arcs = tf.gather(scaled, trellis.source(frame))
        arcs *= trellis.arc_products(frame)
        new = tf.math.unsorted_segment_sum(
            arcs, trellis.target(frame), trellis.num_states
        )
        leaked = trellis.where_active(frame, self._leaked(new), alpha)
        return leaked, tf.where(trellis.is_active(frame), self._total(new), total)

    def _step_back(
        self, frame: tf.Tensor, beta: tf.Tensor, gammas: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        trellis, source = self.trellis, self.trellis.source(frame)
        scaled = beta / trellis.spread(self.totals[frame])
        arcs = tf.gather(scaled, trellis.target(frame))
        arcs *= trellis.arc_products(frame)
        gamma = tf.math.unsorted_segment_sum(
            tf.gather(self.alphas[frame], source) * arcs,
            trellis.pdf(frame),
            trellis.num_outputs,
        )
        new = tf.math.unsorted_segment_sum(arcs, source, trellis.num_states)
        beta = trellis.where_active(frame, self._leaked_back(new), beta)
        return frame - 1, beta, gammas.write(frame, gamma)

    def _leaked(self, alpha: tf.Tensor) -> tf.Tensor:
        total = self.trellis.spread(self._total(alpha))
        return alpha + self.leak * total * self.initial

    def _leaked_back(self, beta: tf.Tensor) -> tf.Tensor:
        return beta + self.leak * self.trellis.spread(self._total(self.initial * beta))

    def _total(self, values: tf.Tensor) -> tf.Tensor:
        """Sum over the states of each utterance, [B], never zero."""
        return tf.maximum(tf.reduce_sum(self.trellis.states(values), axis=-1), _FLOOR)
