"""Dropout draws what Keras draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.layers.dropout import Dropout

VALUES = tf.ones([40, 50])


def dropped(layer, jit_compile):
    run = tf.function(lambda x: layer(x, training=True), jit_compile=jit_compile)
    return np.stack([run(VALUES).numpy() for _ in range(2)])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_numbers_are_those_of_keras(jit_compile):
    own = dropped(Dropout(0.3, seed=5), jit_compile)
    known = dropped(keras.layers.Dropout(0.3, seed=5), jit_compile)
    np.testing.assert_array_equal(own, known)
    assert np.any(own[0] != own[1])
    assert np.mean(own == 0) == pytest.approx(0.3, abs=0.03)


def test_nothing_is_dropped_otherwise():
    np.testing.assert_array_equal(Dropout(0.3)(VALUES), VALUES)
    np.testing.assert_array_equal(Dropout(0.0)(VALUES, training=True), VALUES)


def test_a_shared_mask():
    layer = Dropout(0.5, noise_shape=(None, 1), seed=3)
    rows = layer(VALUES, training=True).numpy()
    assert np.all(rows == rows[:, :1])
    assert set(rows[:, 0]) == {0.0, 2.0}
