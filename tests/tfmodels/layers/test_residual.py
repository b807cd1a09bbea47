"""The scaled sum of a trunk and a branch."""

import keras
import numpy as np
import tensorflow as tf

from tfmodels.layers.residual import ScaledAdd


def test_sum():
    trunk = np.array([[1.0, -2.0]], np.float32)
    branch = np.array([[10.0, 4.0]], np.float32)
    np.testing.assert_array_equal(ScaledAdd(0.5)([trunk, branch]), [[6.0, 0.0]])


def test_gradient_of_the_branch_carries_the_scale():
    trunk, branch = tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch([trunk, branch])
        total = ScaledAdd(0.125)([trunk, branch])
    to_trunk, to_branch = tape.gradient(total, [trunk, branch])
    np.testing.assert_array_equal(to_trunk, [1.0, 1.0])
    np.testing.assert_array_equal(to_branch, [0.125, 0.125])


def test_scale_survives_serialization():
    config = keras.saving.serialize_keras_object(ScaledAdd(0.17, name="add"))
    assert keras.saving.deserialize_keras_object(config).scale == 0.17


def test_symbolic_shape_is_the_trunks():
    inputs = [keras.Input((4, 4, 3)), keras.Input((4, 4, 3))]
    assert ScaledAdd(0.1)(inputs).shape == (None, 4, 4, 3)
