"""A batch of utterances unrolled over a graph: the layout that recursions share.

Letters of shapes: B utterances, T frames, P outputs, A arcs and I states of a graph.
Recursions see N arcs and S states in L lanes. For a shared graph the lanes are the
utterances (N = A, S = I, L = B). Graphs of their own stand side by side as one big
graph in one lane (N = B A, S = B I, L = 1). The segment axis is always the first.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs

_FLOOR = 1e-37


class Labelled(NamedTuple):
    """What an arc has in a frame besides its score: an accuracy, or a boost."""

    values: tf.Tensor
    """floating-point [B, T, K], one of each label; or [B, T, A], one of each arc."""
    label: str | None = None
    """Field of `Arcs` that picks the value, as ``phone``; None for one of each arc."""


class Trellis:
    """Scores of a batch on the arcs of its graphs.

    Args:
      scores: floating-point [B, T, P]; recursions compute in this type.
      lengths: int32 [B], frames of each utterance; what follows is padding.
      arcs: the graph or graphs.
      mask: bool [B, T, A], arcs that exist in a frame; all, if None.
      addend: added to the scores of arcs.
    """

    def __init__(
        self,
        scores: tf.Tensor,
        lengths: tf.Tensor,
        arcs: Arcs,
        mask: tf.Tensor | None = None,
        addend: Labelled | None = None,
    ) -> None:
        self.arcs = Arcs(*(tf.convert_to_tensor(value) for value in arcs))
        self._lengths = tf.cast(lengths, tf.int32)
        self._shared = self.arcs.source.shape.rank == 1
        self._by_frame = self.arcs.source.shape.rank == 3
        self._batch = size(scores, 0)
        self.num_frames = size(scores, 1)
        self._copies = 1 if self._shared else self._batch
        self.num_states = self._copies * size(self.arcs.initial, -1)
        self.num_outputs = self._copies * size(scores, 2)
        self._source = self._lay_index(self.arcs.source, size(self.arcs.initial, -1))
        self._target = self._lay_index(self.arcs.target, size(self.arcs.initial, -1))
        self._pdf = self._lay_index(self.arcs.pdf, size(scores, 2))
        self._weight = self._lay(tf.cast(self.arcs.weight, scores.dtype))[..., None]
        self.initial = self._lay_states(tf.cast(self.arcs.initial, scores.dtype))
        self.final = self._lay_states(tf.cast(self.arcs.final, scores.dtype))
        self._scores = self._lay_frames(scores)
        self._mask = None if mask is None else self._lay_frames(mask)
        self._addend = None if addend is None else self.labelled(addend)

    def source(self, frame: tf.Tensor) -> tf.Tensor:
        """int32 [N], state that each arc leaves in a frame."""
        return self._at(self._source, frame)

    def target(self, frame: tf.Tensor) -> tf.Tensor:
        """int32 [N], state that each arc enters in a frame."""
        return self._at(self._target, frame)

    def pdf(self, frame: tf.Tensor) -> tf.Tensor:
        """int32 [N], output of the model that each arc takes in a frame."""
        return self._at(self._pdf, frame)

    def arc_scores(self, frame: tf.Tensor) -> tf.Tensor:
        """Weight, score and addend of the arcs in a frame, int32 [].

        Returns:
          floating-point [N, L], LOG_ZERO where the mask has none.
        """
        total = self._at(self._weight, frame)
        total += tf.gather(self._scores[frame], self.pdf(frame))
        if self._addend is not None:
            total += self._addend(frame)
        if self._mask is not None:
            total = tf.where(self._mask[frame], total, LOG_ZERO)
        return total

    def arc_products(self, frame: tf.Tensor) -> tf.Tensor:
        """Weight times score of the arcs in a frame, where these are no logarithms.

        Returns:
          floating-point [N, L].
        """
        scores = tf.gather(self._scores[frame], self.pdf(frame))
        return self._at(self._weight, frame) * scores

    def labelled(self, labelled: Labelled) -> Callable[[tf.Tensor], tf.Tensor]:
        """A function from a frame to the values of its arcs, floating-point [N, L]."""
        values = self._lay_frames(labelled.values)
        if labelled.label is None:
            return lambda frame: values[frame]
        index = getattr(self.arcs, labelled.label)
        index = self._lay_index(index, size(labelled.values, 2))
        return lambda frame: tf.gather(values[frame], self._at(index, frame))

    def where_active(
        self, frame: tf.Tensor, new: tf.Tensor, old: tf.Tensor
    ) -> tf.Tensor:
        """Values of states [S, L]: the new ones of utterances that still last."""
        return tf.where(self.spread(self.is_active(frame)), new, old)

    def peak(self, frame: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Largest value of states [S, L] of each utterance, [B]; 0 if it is over.

        Also 0 if no state has a path. Weights without their peaks stay near 0 however
        long the utterance is: float32 has no digits to spare.
        """
        peak = tf.reduce_max(self.states(values), axis=-1)
        kept = self.is_active(frame) & is_possible(peak)
        return tf.where(kept, peak, tf.zeros([], values.dtype))

    def is_active(self, frame: tf.Tensor) -> tf.Tensor:
        """bool [B], whether each utterance still lasts in a frame."""
        return frame < self._lengths

    def spread(self, values: tf.Tensor) -> tf.Tensor:
        """Values of utterances, [B], in the layout of states: [1, L] or [S, L]."""
        if self._shared:
            return values[None, :]
        return tf.repeat(values, size(self.arcs.initial, -1))[:, None]

    def states(self, values: tf.Tensor) -> tf.Tensor:
        """Values of states, [S, L], as [B, I]."""
        if self._shared:
            return tf.transpose(values)
        return tf.reshape(values, [self._batch, -1])

    def coordinates(self, states: tf.Tensor) -> tf.Tensor:
        """Row and lane, int32 [B, 2], of a state of each utterance, int32 [B]."""
        lanes = tf.range(self._batch)
        if self._shared:
            return tf.stack([states, lanes], axis=1)
        rows = states + lanes * size(self.arcs.initial, -1)
        return tf.stack([rows, tf.zeros_like(lanes)], axis=1)

    def local_state(self, rows: tf.Tensor) -> tf.Tensor:
        """Number of a state in its own graph, int32 [B]."""
        return rows % size(self.arcs.initial, -1)

    def local_arc(self, rows: tf.Tensor) -> tf.Tensor:
        """Number of an arc in its own graph, int32 [B]."""
        return rows % size(self.arcs.source, -1)

    def frames(self, values: tf.Tensor) -> tf.Tensor:
        """Values by frame, [T, K, L], as [B, T, K], or [B, T, K / B] of own graphs."""
        if self._shared:
            return tf.transpose(values, [2, 0, 1])
        wide = tf.reshape(values, [self.num_frames, self._batch, -1])
        return tf.transpose(wide, [1, 0, 2])

    def active_frames(self, values: tf.Tensor) -> tf.Tensor:
        """Like `frames`, and zero (False) in padding."""
        active = tf.sequence_mask(self._lengths, self.num_frames)[..., None]
        values = self.frames(values)
        return tf.where(active, values, tf.zeros([], values.dtype))

    def _lay_frames(self, values: tf.Tensor) -> tf.Tensor:
        """The inverse of `frames`."""
        if self._shared:
            return tf.transpose(values, [1, 2, 0])
        wide = tf.transpose(values, [1, 0, 2])
        return tf.reshape(wide, [size(values, 1), -1, 1])

    def _lay_states(self, values: tf.Tensor) -> tf.Tensor:
        if self._shared:
            return tf.tile(values[:, None], [1, self._batch])
        return tf.reshape(values, [-1, 1])

    def _lay_index(self, index: tf.Tensor, num_values: int | tf.Tensor) -> tf.Tensor:
        """Indices into values of one utterance, as indices into those of all."""
        if self._shared:
            return index
        shape = [-1] + [1] * (index.shape.rank - 1)
        return self._lay(index + tf.reshape(tf.range(self._batch), shape) * num_values)

    def _lay(self, values: tf.Tensor) -> tf.Tensor:
        """Values of arcs as [N], or as [T, N] if arcs exist in one frame only."""
        if not self._by_frame:
            return tf.reshape(values, [-1])
        return tf.reshape(tf.transpose(values, [1, 0, 2]), [self.num_frames, -1])

    def _at(self, values: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
        return values[frame] if self._by_frame else values


def size(tensor: tf.Tensor, axis: int) -> int | tf.Tensor:
    """Size of an axis: a number where it is static, else int32 []."""
    static = tensor.shape[axis]
    return tf.shape(tensor)[axis] if static is None else static


def log_sum(
    values: tf.Tensor, segments: tf.Tensor, num_segments: int | tf.Tensor
) -> tf.Tensor:
    """Log of the sum of exponentials in each segment.

    Args:
      values: floating-point [N, L], log.
      segments: int32 [N], in any order.
      num_segments: S.

    Returns:
      floating-point [S, L], about LOG_ZERO for segments without values.
    """
    top, total = exponential_sum(values, segments, num_segments)[:2]
    return top + tf.math.log(total)


def exponential_sum(
    values: tf.Tensor, segments: tf.Tensor, num_segments: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The parts of `log_sum`: maximum [S, L], sum [S, L] and summands [N, L].

    Sums are relative to the maximum of their segment and never zero.
    """
    top = log_max(values, segments, num_segments)
    shares = tf.exp(values - tf.gather(top, segments))
    total = tf.math.unsorted_segment_sum(shares, segments, num_segments)
    return top, tf.maximum(total, _FLOOR), shares


def log_max(
    values: tf.Tensor, segments: tf.Tensor, num_segments: int | tf.Tensor
) -> tf.Tensor:
    """Maximum of each segment, LOG_ZERO for those without values."""
    top = tf.math.unsorted_segment_max(values, segments, num_segments)
    return tf.maximum(top, LOG_ZERO)


def is_possible(log_z: tf.Tensor) -> tf.Tensor:
    """Whether a log weight is that of a path, rather than of none at all."""
    return log_z > LOG_ZERO / 2
