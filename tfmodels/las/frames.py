"""Frames put side by side: stacked before the encoder, paired between its layers.

Both go on where the last chunk of an utterance has ended.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.audio.frames import Splice


class Frames(NamedTuple):
    """Frames of a batch at some rate."""

    x: tf.Tensor
    """floating-point [T, b, D]."""
    mask: tf.Tensor
    """floating-point [T, b, 1], 0 on padding, which is at the end."""
    variety: tf.Tensor
    """floating-point [b, K], or [T, b, K], of each frame."""

    def with_x(self, x: tf.Tensor) -> "Frames":
        """The same frames as something else, 0 on padding."""
        return self._replace(x=x * self.mask)


class Past(NamedTuple):
    """What is known of an utterance's earlier frames."""

    frames: tf.Tensor
    """floating-point [b, left, D], the last of them."""
    started: tf.Tensor
    """floating-point [b], 0 where there are none."""


def stacked(
    features: tf.Tensor,
    lengths: tf.Tensor,
    variety: tf.Tensor,
    splice: Splice,
    past: Past,
) -> tuple[Frames, Past]:
    """Puts `left` earlier frames beside each `stride`-th one, the first repeated.

    Args:
      features: floating-point [b, T, D], 0 on padding; of a chunk that others follow,
        T is a multiple of the stride.
      lengths: int32 [b], frames that are there.
      variety: floating-point [b, K] or [b, T, K].
      splice: the offsets and the stride.
      past: before them.

    Returns:
      ``ceil(T / stride)`` frames, of which those are padding whose last frame is; and
      what is known after them.
    """
    started = past.started[:, None, None] > 0
    before = tf.where(started, past.frames, features[:, :1])
    known = tf.concat([before, features], 1)
    x = tf.transpose(splice(known), (1, 0, 2))
    # The stacked frame t ends with frame t * stride.
    place = tf.range(tf.shape(features)[1])[:: splice.stride]
    mask = tf.cast(place[:, None] < lengths[None], x.dtype)[:, :, None]
    if len(variety.shape) > 2:
        variety = tf.transpose(variety[:, :: splice.stride], (1, 0, 2))
    some = tf.cast(lengths > 0, x.dtype)
    after = Past(known[:, -splice.span :] if splice.span else past.frames, some)
    return Frames(x * mask, mask, variety), after._replace(
        started=tf.maximum(past.started, some)
    )


def paired(frames: Frames, started: tf.Tensor) -> Frames:
    """Makes one frame of each two (Chan et al., arXiv 1508.01211, eq 7).

    A last frame without a partner is dropped, unless it is the utterance's only one:
    then its partner is 0.

    Args:
      frames: 0 on padding.
      started: floating-point [b], 0 where the frames are an utterance's first ones.
    """
    x, mask, variety = frames
    if x.shape[0] is None or x.shape[0] < 2:
        missing = [[0, tf.maximum(2 - tf.shape(x)[0], 0)], [0, 0], [0, 0]]
        x, mask = tf.pad(x, missing), tf.pad(mask, missing)
    length = sizes(x, 1)[0] // 2 * 2
    even, odd = (mask[place:length:2] for place in (0, 1))
    first = tf.cast(tf.range(length // 2) == 0, x.dtype)[:, None, None]
    alone = even * first * (1 - started)[:, None]
    x = tf.concat([x[place:length:2] for place in (0, 1)], -1)
    mask = tf.maximum(odd, alone)
    return Frames(x * mask, mask, halved(variety, length))


def halved(variety: tf.Tensor, length: Any = None) -> tf.Tensor:
    """The variety of every second frame, if each has its own."""
    return variety if len(variety.shape) < 3 else variety[:length:2]


def sizes(x: tf.Tensor, axes: int) -> list[Any]:
    """Of the first axes: numbers where they are known, so that shapes stay known."""
    return [known or tf.shape(x)[axis] for axis, known in enumerate(x.shape[:axes])]
