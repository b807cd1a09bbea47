"""Numerators made on the spot: the paths of a word loop that say a transcript."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.trellis import size


class Transcripts(NamedTuple):
    """A graph for all utterances, and which of its arcs each of them may take."""

    arcs: Arcs
    """Shared by the utterances. Its `word` numbers rights of way, not words."""
    addend: Labelled
    """0 where an utterance may take an arc, LOG_ZERO where it may not."""


def transcripts(
    graph: Arcs, words: tf.Tensor, num_frames: int | tf.Tensor
) -> Transcripts:
    """The paths of a graph with given words, with their weights.

    Copies of the graph count the words that are over; an arc that begins a word leads
    to the next copy. Utterances of n words begin in the n-th copy from the end, where
    all of them end. So a batch needs no graph of its own for each utterance, and
    nothing but its words: any machine can make it in the step.

    Args:
      graph: one graph of all utterances, as NumPy arrays, that `compose` returned: its
        state 0 is the start, which no arc enters.
      words: int32 [B, W], 0 after the last.
      num_frames: T.
    """
    copies = size(words, 1) + 1
    copy = tf.range(copies)[:, None]
    num_states, num_words = len(graph.initial), 1 + int(graph.word.max())
    begins = (graph.word > 0).astype(np.int32)
    # The last copy has no next one: no utterance may begin a word there.
    following = tf.minimum(copy + begins, copies - 1)
    starts = (graph.source == 0).astype(np.int32)
    right = (copy * 2 + starts) * num_words + graph.word

    def repeated(values: np.ndarray) -> tf.Tensor:
        return tf.tile(values, [copies])

    is_last = tf.repeat(tf.range(copies) == copies - 1, num_states)
    arcs = Arcs(
        tf.reshape(copy * num_states + graph.source, [-1]),
        tf.reshape(following * num_states + graph.target, [-1]),
        repeated(graph.pdf),
        repeated(graph.weight),
        repeated(graph.initial),
        tf.where(is_last, repeated(graph.final), LOG_ZERO),
        repeated(graph.phone),
        tf.reshape(right, [-1]),
    )
    values = _rights(words, num_words)[:, None]
    values = tf.tile(values, [1, num_frames, 1])
    return Transcripts(arcs, Labelled(values, "word"))


def _rights(words: tf.Tensor, num_words: int) -> tf.Tensor:
    """Logs of 1 or 0, [B, copies * 2 * num_words]: in each copy, of arcs inside of the
    graph and of those that leave its start, that begin no word or a certain one."""
    batch, most = size(words, 0), size(words, 1)
    count = tf.math.count_nonzero(words, axis=1, dtype=tf.int32)
    first = (most - count)[:, None]
    place = tf.range(most + 1) - first
    there = (place >= 0) & (place < count[:, None])
    said = tf.gather(words, tf.clip_by_value(place, 0, most - 1), batch_dims=1)
    said = tf.where(there, said, 0)[..., None]
    word = tf.range(num_words)
    allowed = (word == 0) | (word == said)
    at_start = allowed & (tf.range(most + 1) == first)[..., None]
    both = tf.stack([allowed, at_start], axis=2)
    return tf.reshape(
        tf.where(both, 0.0, LOG_ZERO), [batch, (most + 1) * 2 * num_words]
    )
