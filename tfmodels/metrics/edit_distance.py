"""Word errors: how a sequence of tokens differs from what was to be said."""

from typing import NamedTuple

import tensorflow as tf

# More than the number of substitutions in any pair of sequences.
_ERROR = 1 << 14


class EditErrors(NamedTuple):
    """Errors of each sequence; their sum is the Levenshtein distance."""

    substitutions: tf.Tensor
    """int32 [B], tokens that are there in place of others."""
    insertions: tf.Tensor
    """int32 [B], tokens that are too many."""
    deletions: tf.Tensor
    """int32 [B], tokens that are missing."""


def edit_errors(hypothesis: tf.Tensor, reference: tf.Tensor) -> EditErrors:
    """Fewest errors that make the hypotheses of the references.

    Among ways with equally many errors, that with the fewest substitutions counts, for
    it finds most tokens right. It can be compiled with XLA.

    Args:
      hypothesis: int32 or int64 [B, N]; 0 is no token, wherever it is: the words of the
        arcs of a path may be passed as they are. At most 16,000 tokens in a row.
      reference: [B, M], likewise.
    """
    reference = tf.convert_to_tensor(reference)
    hypothesis = tf.convert_to_tensor(hypothesis, reference.dtype)
    said = _ERROR * tf.cast(reference != 0, tf.int32)
    # Cost of all tokens of the reference before each place: of deleting them.
    before = tf.pad(tf.cumsum(said, axis=1), [[0, 0], [1, 0]])

    def take(costs: tf.Tensor, token: tf.Tensor) -> tf.Tensor:
        """Costs [B, M + 1] of all beginnings of the reference after another token."""
        unlike = tf.where(token[:, None] == reference, 0, _ERROR + 1)
        replaced = tf.where(said > 0, costs[:, :-1] + unlike, costs[:, 1:] + _ERROR)
        taken = tf.minimum(costs[:, 1:] + _ERROR, replaced)
        taken = tf.concat([costs[:, :1] + _ERROR, taken], axis=1)
        # Deletions: from any earlier place, at the price of what is in between.
        taken = running_minimum(taken - before) + before
        return tf.where(token[:, None] == 0, costs, taken)

    tokens = tf.transpose(hypothesis)
    last = tf.foldl(take, tokens, before)[:, -1]
    errors, substitutions = last // _ERROR, last % _ERROR
    longer = _count(hypothesis) - _count(reference)
    deletions = (errors - substitutions - longer) // 2
    return EditErrors(substitutions, deletions + longer, deletions)


def weighted_distance(
    hypothesis: tf.Tensor,
    reference: tf.Tensor,
    hypothesis_weights: tf.Tensor,
    reference_weights: tf.Tensor,
) -> tf.Tensor:
    """Least cost that makes the hypotheses of the references, float32 [B].

    A token that is added or left out costs its weight, and one in the place of another
    the larger of both. With weights of 1 it is the Levenshtein distance.

    Args:
      hypothesis: see `edit_errors`.
      reference: see `edit_errors`.
      hypothesis_weights: float32 [B, N], not negative.
      reference_weights: float32 [B, M], not negative.
    """
    reference = tf.convert_to_tensor(reference)
    hypothesis = tf.convert_to_tensor(hypothesis, reference.dtype)
    there = reference != 0
    before = tf.pad(
        tf.cumsum(tf.where(there, reference_weights, 0.0), axis=1), [[0, 0], [1, 0]]
    )

    def take(costs: tf.Tensor, said: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        token, weight = said[0][:, None], said[1][:, None]
        unlike = tf.maximum(weight, reference_weights)
        unlike = tf.where(token == reference, 0.0, unlike)
        added = costs + weight
        replaced = tf.where(there, costs[:, :-1] + unlike, added[:, 1:])
        taken = tf.minimum(added[:, 1:], replaced)
        taken = tf.concat([added[:, :1], taken], axis=1)
        taken = running_minimum(taken - before) + before
        return tf.where(token == 0, costs, taken)

    tokens = tf.transpose(hypothesis), tf.transpose(hypothesis_weights)
    return tf.foldl(take, tokens, before)[:, -1]


def _count(tokens: tf.Tensor) -> tf.Tensor:
    return tf.math.count_nonzero(tokens, axis=1, dtype=tf.int32)


def running_minimum(values: tf.Tensor) -> tf.Tensor:
    """Smallest value up to each place of a row, [..., N], in log N steps."""
    if values.shape[-1] is None:
        return _running_minimum(values)
    reach = 1
    none = [[0, 0]] * (values.shape.rank - 1)
    while reach < values.shape[-1]:
        shifted = tf.pad(
            values[..., :-reach], [*none, [reach, 0]], constant_values=values.dtype.max
        )
        values = tf.minimum(values, shifted)
        reach *= 2
    return values


def _running_minimum(values: tf.Tensor) -> tf.Tensor:
    """`running_minimum` where N is not known when the graph is made."""
    place = tf.range(tf.shape(values)[-1])

    def farther(reach: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Near the front the first value stands for what is before it.
        before = tf.gather(values, tf.maximum(place - reach, 0), axis=-1)
        return 2 * reach, tf.ensure_shape(tf.minimum(values, before), values.shape)

    return tf.while_loop(
        lambda reach, _: reach < tf.size(place), farther, (tf.constant(1), values)
    )[1]
