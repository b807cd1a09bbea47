"""Lattices made on the fly: which arcs of a graph are kept in which frames."""

import numpy as np
import tensorflow as tf

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.trellis import Trellis
from tfmodels.lattices.trellis import is_possible
from tfmodels.lattices.trellis import log_max
from tfmodels.lattices.trellis import size


def lattice_mask(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    arcs: Arcs,
    lattice_beam: float,
    decode_beam: float | None = None,
    max_active: int | None = None,
    reference: tf.Tensor | None = None,
) -> tf.Tensor:
    """Arcs on paths that are nearly as good as the best.

    An infinite beam gives all arcs of whole paths, and with them exactly the sums of
    the graph; a beam of 0 the best path.

    Args:
      scores: floating-point [B, T, P], log.
      lengths: int32 [B], frames of each utterance.
      arcs: the graph or graphs.
      lattice_beam: largest distance of a kept path from the best, nats.
      decode_beam: largest distance of a state from the best of its frame, nats.
      max_active: states that go on from a frame; more only if their weights are equal.
      reference: int32 [B, T], outputs of the alignment; all paths with them are kept.

    Returns:
      bool [B, T, A], False in padding.
    """
    trellis = Trellis(scores, lengths, arcs)
    kept = _kept(trellis, lattice_beam, decode_beam, max_active)
    if reference is not None:
        only = Trellis(restricted(scores, reference), lengths, arcs)
        kept |= _kept(only, -LOG_ZERO / 2, None, None)
    return kept


def restricted(scores: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Scores [B, T, P] that are LOG_ZERO for outputs other than those of a path.

    Args:
      scores: floating-point [B, T, P], log.
      reference: int32 [B, T], an output in each frame.
    """
    is_reference = tf.one_hot(reference, size(scores, 2), True, False)
    return tf.where(is_reference, scores, LOG_ZERO)


def density(mask: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Kept arcs and frames, float32 [] each: their ratio is arcs per frame."""
    arcs = tf.reduce_sum(tf.cast(mask, tf.float32))
    return arcs, tf.reduce_sum(tf.cast(lengths, tf.float32))


def _kept(
    trellis: Trellis,
    lattice_beam: float,
    decode_beam: float | None,
    max_active: int | None,
) -> tf.Tensor:
    """bool [B, T, A]: arcs of whole paths that survive all beams."""
    alphas = _forward(trellis, decode_beam, max_active)

    def step(
        frame: tf.Tensor, beta: tf.Tensor, kept: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        source = trellis.source(frame)
        arcs = trellis.arc_scores(frame) + tf.gather(beta, trellis.target(frame))
        whole = tf.gather(alphas[frame], source) + arcs
        new = log_max(arcs, source, trellis.num_states)
        new = tf.where(is_possible(alphas[frame]), new, LOG_ZERO)
        beta = trellis.where_active(frame, new, beta)
        return frame - 1, beta, kept.write(frame, whole >= -lattice_beam)

    kept = tf.TensorArray(tf.bool, trellis.num_frames)
    *_, kept = tf.while_loop(
        lambda frame, *_: frame >= 0,
        step,
        (trellis.num_frames - 1, _last_beta(trellis, alphas[-1]), kept),
        maximum_iterations=trellis.num_frames,
    )
    return trellis.active_frames(kept.stack())


def _forward(
    trellis: Trellis, decode_beam: float | None, max_active: int | None
) -> tf.Tensor:
    """Best weights of states, [T + 1, S, L], LOG_ZERO for those that do not go on."""

    def step(alpha: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
        arcs = tf.gather(alpha, trellis.source(frame)) + trellis.arc_scores(frame)
        new = log_max(arcs, trellis.target(frame), trellis.num_states)
        new = _survivors(trellis, new, decode_beam, max_active)
        return trellis.where_active(frame, new, alpha)

    later = tf.scan(step, tf.range(trellis.num_frames), trellis.initial)
    return tf.concat([trellis.initial[None], later], axis=0)


def _survivors(
    trellis: Trellis,
    alpha: tf.Tensor,
    decode_beam: float | None,
    max_active: int | None,
) -> tf.Tensor:
    """Weights [S, L] of a frame, LOG_ZERO for states outside of a beam."""
    states = trellis.states(alpha)
    floor = tf.fill([size(states, 0)], tf.constant(2 * LOG_ZERO, alpha.dtype))
    if decode_beam is not None:
        floor = tf.maximum(floor, tf.reduce_max(states, axis=-1) - decode_beam)
    num_states = trellis.arcs.initial.shape[-1]
    if max_active is not None and (num_states is None or max_active < num_states):
        num_active = tf.minimum(max_active, size(states, 1))
        floor = tf.maximum(floor, tf.math.top_k(states, num_active).values[:, -1])
    return tf.where(alpha >= trellis.spread(floor), alpha, LOG_ZERO)


def _last_beta(trellis: Trellis, last_alpha: tf.Tensor) -> tf.Tensor:
    """Final weights less that of the best path, so that whole paths are at most 0."""
    best = tf.reduce_max(trellis.states(last_alpha + trellis.final), axis=-1)
    # Without it, rounding of T sums would cut arcs out of the best path itself.
    rounding = np.finfo(best.dtype.as_numpy_dtype).eps * tf.abs(best)
    rounding *= tf.cast(trellis.num_frames, best.dtype)
    beta = trellis.final - trellis.spread(best - rounding)
    on_path = trellis.spread(is_possible(best)) & is_possible(last_alpha)
    return tf.where(on_path, beta, LOG_ZERO)
