"""The projected LSTM's step, against Keras and against plain NumPy."""

import keras
import numpy as np
import pytest

from tfmodels.layers.recurrent import ProjectedLSTMCell


def some(shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_without_projection_and_peepholes_it_is_keras():
    cell, theirs = ProjectedLSTMCell(4, peepholes=False), keras.layers.LSTMCell(4)
    cell.build((2, 3))
    theirs.build((2, 3))
    # The forget gate begins open in both.
    np.testing.assert_array_equal(cell.bias, theirs.bias)
    theirs.set_weights(cell.get_weights())
    x, states = some((2, 3), 0), [some((2, 4), 1), some((2, 4), 2)]
    output, after = cell(x, states)
    expected, expected_after = theirs(x, states)
    np.testing.assert_allclose(output, expected, atol=1e-6)
    np.testing.assert_allclose(after, expected_after, atol=1e-6)


def test_equals_the_equations():
    cell = ProjectedLSTMCell(4, projection_dim=2)
    cell.build((None, 3))
    cell.set_weights([some(w.shape, seed) for seed, w in enumerate(cell.weights)])
    kernel, recurrent, bias, peephole, projection = cell.get_weights()
    x, r, c = some((5, 3), 7), some((5, 2), 8), some((5, 4), 9)
    i, f, g, o = np.split(x @ kernel + r @ recurrent + bias, 4, axis=1)
    new = sigmoid(f + peephole[1] * c) * c
    new += sigmoid(i + peephole[0] * c) * np.tanh(g)
    expected = (sigmoid(o + peephole[2] * new) * np.tanh(new)) @ projection
    output, (fed_back, cells) = cell(x, [r, c])
    np.testing.assert_allclose(output, expected, atol=1e-5)
    np.testing.assert_allclose(fed_back, expected, atol=1e-5)
    np.testing.assert_allclose(cells, new, atol=1e-5)


@pytest.mark.parametrize("projection", [None, 2])
def test_survives_being_saved(projection):
    cell = ProjectedLSTMCell(4, projection, peepholes=False)
    again = ProjectedLSTMCell.from_config(cell.get_config())
    assert again.get_config() == cell.get_config()
    assert again.state_size == [projection or 4, 4]
