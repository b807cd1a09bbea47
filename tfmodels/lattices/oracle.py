"""The least errors that any path of a lattice makes: how good decoding could be."""

import tensorflow as tf

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.trellis import size
from tfmodels.metrics.edit_distance import running_minimum

# More than the errors of any path, and small enough to be added to.
_NEVER = 1 << 20


def oracle_errors(
    arcs: Arcs, mask: tf.Tensor, lengths: tf.Tensor, words: tf.Tensor
) -> tf.Tensor:
    """Fewest word errors of a path, its weight not counting.

    The edit distance of all paths at once: of each state and each beginning of what was
    said, the fewest errors with which a path to the state has said it. Compile it with
    XLA.

    Args:
      arcs: one graph of all utterances.
      mask: bool [B, T, A], arcs of whole paths, as `lattice_mask` returns them.
      lengths: int32 [B], frames of each utterance.
      words: int32 [B, W], what was said, 0 after the last.

    Returns:
      int32 [B]; where there is no path, all words are missing.
    """
    said = tf.cast(words != 0, tf.int32)
    # Cost of all words before each place: of having said none of them.
    before = tf.pad(tf.cumsum(said, axis=1), [[0, 0], [1, 0]])
    num_states = arcs.initial.shape[0]
    source, word = (
        tf.convert_to_tensor(arcs.source),
        tf.convert_to_tensor(arcs.word)[:, None, None],
    )
    wrong = tf.cast(word != words, tf.int32)
    by_frame = tf.transpose(mask, [1, 2, 0])

    def taken(costs: tf.Tensor) -> tf.Tensor:
        """Costs [A, B, W + 1] after the word of each arc, of those before it."""
        right = tf.where(said > 0, costs[..., :-1] + wrong, costs[..., 1:] + 1)
        more = tf.minimum(costs[..., 1:] + 1, right)
        more = tf.concat([costs[..., :1] + 1, more], axis=-1)
        return tf.where(word == 0, costs, more)

    def step(costs: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
        after = taken(tf.gather(costs, source))
        after = tf.where(by_frame[frame][..., None], after, _NEVER)
        new = tf.math.unsorted_segment_min(after, arcs.target, num_states)
        # Words that are missing: from any earlier place, at the price of those between.
        new = running_minimum(tf.minimum(new, _NEVER) - before) + before
        return tf.where((frame < lengths)[:, None], new, costs)

    def where_possible(weights: tf.Tensor, costs: tf.Tensor) -> tf.Tensor:
        possible = tf.convert_to_tensor(weights) > LOG_ZERO / 2
        return tf.where(possible[:, None, None], costs, _NEVER)

    frames = tf.range(size(mask, 1))
    first = where_possible(arcs.initial, before[None])
    costs = tf.foldl(step, frames, first)
    fewest = tf.reduce_min(where_possible(arcs.final, costs)[..., -1], axis=0)
    return tf.where(fewest < _NEVER // 2, fewest, before[:, -1])
