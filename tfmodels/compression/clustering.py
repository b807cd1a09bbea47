"""A few values for all weights of a kernel, found by k-means on a line."""

from typing import Any

import tensorflow as tf

_MOST_ROUNDS = 100


def clusters_of(weights: Any, count: int, preserve_sparsity: bool) -> tf.Tensor:
    """Puts each weight into the cluster of the nearest value.

    Lloyd's algorithm until nothing moves, from values at even distances between the
    extremes, which serve large weights better than random ones. On a line, clusters
    are intervals, so that sums over a sorted list are all that a round needs.

    Source: Han et al., arXiv 1510.00149, sections 3.1 and 3.2.

    Args:
      weights: float32 [...].
      count: number of clusters, at most 256.
      preserve_sparsity: cluster 0 is that of the weights that are 0, and no others.

    Returns:
      uint8, of the shape of the weights.
    """
    flat = tf.reshape(tf.convert_to_tensor(weights), [-1])
    used = flat != 0 if preserve_sparsity else tf.ones_like(flat, tf.bool)
    first = int(preserve_sparsity)
    ordered = tf.cast(tf.sort(tf.boolean_mask(flat, used)), tf.float64)
    limits = tf.cast(_limits(ordered, count - first), tf.float32)
    numbers = first + tf.searchsorted(limits, flat, side="right")
    return tf.reshape(tf.cast(tf.where(used, numbers, 0), tf.uint8), tf.shape(weights))


def _limits(ordered: tf.Tensor, count: int) -> tf.Tensor:
    """Limits between clusters, float64 [count - 1], of sorted values float64 [n]."""
    sums = tf.concat([[0.0], tf.cumsum(ordered)], 0)
    size = tf.size(ordered)
    # Where there is no weight, there is nothing to be found.
    ends = tf.cond(
        size > 0,
        lambda: tf.stack([ordered[0], ordered[-1]]),
        lambda: tf.zeros([2], tf.float64),
    )
    centres = tf.linspace(ends[0], ends[1], count)

    def better(centres: tf.Tensor, moved: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        places = tf.searchsorted(ordered, _middles(centres))
        places = tf.concat([[0], places, [size]], 0)
        numbers = tf.cast(places[1:] - places[:-1], tf.float64)
        totals = tf.gather(sums, places[1:]) - tf.gather(sums, places[:-1])
        # An empty cluster waits where it is.
        means = tf.where(numbers > 0, tf.math.divide_no_nan(totals, numbers), centres)
        return means, tf.reduce_any(means != centres)

    centres, _ = tf.while_loop(
        lambda _, moved: moved,
        better,
        (centres, tf.constant(True)),
        maximum_iterations=_MOST_ROUNDS,
    )
    return _middles(centres)


def _middles(centres: tf.Tensor) -> tf.Tensor:
    return (centres[1:] + centres[:-1]) / 2


def means(values: Any, clusters: Any, count: int) -> tf.Tensor:
    """The mean of a cluster in the place of each of its values.

    Args:
      values: float32 [...].
      clusters: uint8 of the same shape, below `count`.
      count: number of clusters.

    Returns:
      float32, of the same shape, with `count` different values at most.
    """
    numbers = tf.cast(tf.convert_to_tensor(clusters), tf.int32)
    return tf.gather(tf.math.unsorted_segment_mean(values, numbers, count), numbers)


def sums(values: Any, clusters: Any, count: int) -> tf.Tensor:
    """The sum of a cluster in the place of each of its values; see `means`."""
    numbers = tf.cast(tf.convert_to_tensor(clusters), tf.int32)
    return tf.gather(tf.math.unsorted_segment_sum(values, numbers, count), numbers)
