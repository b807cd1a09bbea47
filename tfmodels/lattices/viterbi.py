"""The best path of each utterance: decoding and forced alignment."""

from typing import NamedTuple

import tensorflow as tf

from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.trellis import Trellis
from tfmodels.lattices.trellis import is_possible
from tfmodels.lattices.trellis import log_max
from tfmodels.lattices.trellis import size


class Path(NamedTuple):
    """A path of each utterance; -1 in padding and where no path fits."""

    score: tf.Tensor
    """floating-point [B], log weight."""
    arc: tf.Tensor
    """int32 [B, T], index of the arc in its graph."""
    pdf: tf.Tensor
    """int32 [B, T], of each arc: under the graph of a transcript, its alignment."""
    phone: tf.Tensor
    """int32 [B, T], of each arc."""
    word: tf.Tensor
    """int32 [B, T], of each arc, 0 where none."""


def best_path(
    scores: tf.Tensor,
    lengths: tf.Tensor,
    arcs: Arcs,
    mask: tf.Tensor | None = None,
    addend: Labelled | None = None,
) -> Path:
    """The path of largest weight; of equals, that whose last states and arcs are first.

    Args:
      scores: floating-point [B, T, P], log.
      lengths: int32 [B], frames of each utterance.
      arcs: the graph or graphs.
      mask: bool [B, T, A], arcs that exist in a frame; all, if None.
      addend: added to the scores of arcs.
    """
    trellis = Trellis(scores, lengths, arcs, mask, addend)
    last, best_arcs = _forward(trellis)
    whole = trellis.states(last + trellis.final)
    score = tf.reduce_max(whole, axis=-1)
    chosen = _trace_back(trellis, best_arcs, tf.argmax(whole, -1, tf.int32))
    active = tf.sequence_mask(lengths, trellis.num_frames)
    kept = active & is_possible(score)[:, None]
    labels = (_labels(value, chosen) for value in (arcs.pdf, arcs.phone, arcs.word))
    return Path(score, *(tf.where(kept, value, -1) for value in (chosen, *labels)))


def _forward(trellis: Trellis) -> tuple[tf.Tensor, tf.Tensor]:
    """Best weights at the end, [S, L], and best arcs into states, int32 [T, S, L]."""

    def step(
        state: tuple[tf.Tensor, tf.Tensor], frame: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        alpha, target = state[0], trellis.target(frame)
        arcs = tf.gather(alpha, trellis.source(frame)) + trellis.arc_scores(frame)
        new = log_max(arcs, target, trellis.num_states)
        number = tf.range(size(arcs, 0))[:, None]
        # The smallest number of the best: the same on every device.
        best = tf.where(arcs >= tf.gather(new, target), number, size(arcs, 0) - 1)
        first = tf.math.unsorted_segment_min(best, target, trellis.num_states)
        first = tf.minimum(first, size(arcs, 0) - 1)
        return trellis.where_active(frame, new, alpha), first

    none = tf.zeros_like(trellis.initial, tf.int32)
    alphas, best_arcs = tf.scan(
        step, tf.range(trellis.num_frames), (trellis.initial, none)
    )
    return alphas[-1], best_arcs


def _trace_back(
    trellis: Trellis, best_arcs: tf.Tensor, last_states: tf.Tensor
) -> tf.Tensor:
    """Arcs of the path that ends in a state of each utterance, int32 [B, T]."""

    def step(
        state: tuple[tf.Tensor, tf.Tensor], frame: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        arc = tf.gather_nd(best_arcs[frame], trellis.coordinates(state[0]))
        earlier = trellis.local_state(tf.gather(trellis.source(frame), arc))
        active = trellis.is_active(frame)
        return tf.where(active, earlier, state[0]), trellis.local_arc(arc)

    frames = tf.range(trellis.num_frames)
    start = (last_states, tf.zeros_like(last_states))
    chosen: tf.Tensor = tf.scan(step, frames, start, reverse=True)[1]
    return tf.transpose(chosen)


def _labels(values: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """The label of each chosen arc, int32 [B, T]."""
    values = tf.convert_to_tensor(values)
    if values.shape.rank == 1:
        return tf.gather(values, chosen)
    return tf.gather(values, chosen, batch_dims=values.shape.rank - 1)
