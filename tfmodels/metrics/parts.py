"""A softmax whose classes are cut into parts, each on a device of its own.

Wu et al., arXiv 1609.08144, section 3.3: a part hands on a few numbers per position,
and scores of all classes never come together.
"""

from functools import partial

import tensorflow as tf

from tfmodels.layers.placing import computed_at

Parts = tuple[tf.Tensor, ...]
"""Logits, floating-point [..., K_i], of consecutive classes, on any devices."""


def nats_of_parts(parts: Parts, labels: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """`tfmodels.metrics.likelihood.nats` of the softmax over all parts' classes.

    Args:
      parts: the logits.
      labels: int32 [...], class numbers.
      smoothing: share of the target spread evenly over all classes.

    Returns:
      floating-point [...], in nats.
    """
    labels, begin = tf.cast(labels, tf.int32), 0
    tops, sums, chosen, totals = [], [], [], []
    for part in parts:
        top, exponentials, score, total = computed_at(
            partial(tf.device, part.device), _summed, part, labels - begin
        )
        tops.append(top)
        sums.append(exponentials)
        chosen.append(score)
        totals.append(total)
        begin += part.shape[-1]
    top = tf.reduce_max(tf.stack(tops), 0)
    shares = [x * tf.exp(own - top) for x, own in zip(sums, tops, strict=True)]
    values = top + tf.math.log(tf.add_n(shares))
    values -= (1 - smoothing) * tf.add_n(chosen)
    if smoothing:
        values -= smoothing / begin * tf.add_n(totals)
    return values


def _summed(part: tf.Tensor, own: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Of each position, [...], four numbers of a part, [..., K].

    The largest score, without a gradient; the exponentials of all, less that one, added
    up; the score of the label, which has the number `own` here, 0 if it is in another
    part; the sum of all scores.
    """
    top = tf.stop_gradient(tf.reduce_max(part, -1))
    size = part.shape[-1]
    here = (own >= 0) & (own < size)
    place = tf.clip_by_value(own, 0, size - 1)
    score = tf.gather(part, place, axis=-1, batch_dims=own.shape.rank)
    return (
        top,
        tf.reduce_sum(tf.exp(part - top[..., None]), -1),
        tf.where(here, score, tf.zeros_like(score)),
        tf.reduce_sum(part, -1),
    )


def best_of_parts(parts: Parts, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """What `tf.math.top_k` finds among all parts' classes, merged from that of each.

    Args:
      parts: the logits.
      count: how many.

    Returns:
      The logits, floating-point [..., count], best first, of equal ones the lower class
      first; and the classes, int32 [..., count].
    """
    best, classes, begin = [], [], 0
    for part in parts:
        with tf.device(part.device):
            found, where = tf.math.top_k(part, min(count, part.shape[-1]))
            best.append(found)
            classes.append(where + begin)
            begin += part.shape[-1]
    found, where = tf.math.top_k(tf.concat(best, -1), count)
    number = tf.gather(
        tf.concat(classes, -1), where, axis=-1, batch_dims=where.shape.rank - 1
    )
    return found, number
