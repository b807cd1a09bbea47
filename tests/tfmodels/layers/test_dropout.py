"""Dropout draws what Keras draws, and something else with XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.layers.dropout import Dropout

VALUES = tf.ones([40, 50])


def dropped(layer, jit_compile):
    run = tf.function(lambda x: layer(x, training=True), jit_compile=jit_compile)
    return np.stack([run(VALUES).numpy() for _ in range(2)])


def test_numbers_are_those_of_keras():
    own = dropped(Dropout(0.3, seed=5), jit_compile=False)
    known = dropped(keras.layers.Dropout(0.3, seed=5), jit_compile=False)
    np.testing.assert_array_equal(own, known)


def test_with_xla_a_share_is_dropped_another_each_time():
    first, second = dropped(Dropout(0.3, seed=5), jit_compile=True)
    assert np.any(first != second)
    for kept in first, second:
        assert np.mean(kept == 0) == pytest.approx(0.3, abs=0.03)
        assert set(np.unique(kept)) == {0, np.float32(1 / 0.7)}


def test_nothing_is_dropped_otherwise():
    np.testing.assert_array_equal(Dropout(0.3)(VALUES), VALUES)
    np.testing.assert_array_equal(Dropout(0.0)(VALUES, training=True), VALUES)


def test_a_shared_mask():
    layer = Dropout(0.5, noise_shape=(None, 1), seed=3)
    rows = layer(VALUES, training=True).numpy()
    assert np.all(rows == rows[:, :1])
    assert set(rows[:, 0]) == {0.0, 2.0}
