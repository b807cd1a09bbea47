"""A gated recurrent unit and its gradient: those of Keras's, compiled or not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.layers.gru import gru_sequence

STEPS, ROWS, WIDTH = 7, 3, 5


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    shapes = (STEPS, ROWS, 3 * WIDTH), (WIDTH, 3 * WIDTH), (ROWS, WIDTH)
    return [tf.constant(random.normal(size=shape)) for shape in shapes]


def of_keras(sums, recurrent, first):
    layer = keras.layers.GRU(
        WIDTH, use_bias=False, return_sequences=True, dtype="float64"
    )
    layer.build((ROWS, STEPS, 3 * WIDTH))
    layer.cell.kernel.assign(np.eye(3 * WIDTH))
    with tf.GradientTape() as tape:
        kernel = layer.cell.recurrent_kernel
        kernel.assign(recurrent)
        tape.watch([sums, first])
        made = layer(tf.transpose(sums, (1, 0, 2)), initial_state=first)
        made = tf.transpose(made, (1, 0, 2))
        wanted = tf.reduce_sum(made * tf.cumsum(made, axis=0))
    return made, tape.gradient(wanted, [sums, kernel.value, first])


@pytest.mark.parametrize("compiled", [False, True])
def test_states_and_gradients_are_those_of_keras(inputs, compiled):
    @tf.function(jit_compile=compiled)
    def ours():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            made = gru_sequence(*inputs)
            wanted = tf.reduce_sum(made * tf.cumsum(made, axis=0))
        return made, tape.gradient(wanted, inputs)

    made, found = ours()
    expected, gradients = of_keras(*inputs)
    np.testing.assert_allclose(made, expected, atol=1e-12)
    for one, other in zip(found, gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
