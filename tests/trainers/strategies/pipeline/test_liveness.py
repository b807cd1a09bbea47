"""Bytes that live at the same time, against sums by hand."""

import tensorflow as tf

from trainers.strategies.pipeline.liveness import peak_bytes


def test_results_live_until_their_last_use() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (100,))
        a = tf.sin(x)
        b = tf.reshape(tf.cos(a), (10, 10))
        c = tf.reduce_sum(b, axis=0)
        d = c * c
        operations = [op for op in graph.get_operations() if op.type != "Placeholder"]
    # While b is made from a, both are there; a reshaped tensor takes no room.
    assert peak_bytes(operations, set()) == 2 * 100 * 4
    assert peak_bytes(operations, {a.ref()}) == (100 + 10) * 4
    # Nobody takes the last result, which yet has to be made.
    assert peak_bytes([d.op], set()) == 10 * 4


def test_what_is_used_late_adds_up() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (100,))
        late = tf.sin(x)
        chain = tf.cos(tf.cos(tf.cos(late)))
        tf.add(chain, late)
        operations = [op for op in graph.get_operations() if op.type != "Placeholder"]
    assert peak_bytes(operations, set()) == 3 * 100 * 4
