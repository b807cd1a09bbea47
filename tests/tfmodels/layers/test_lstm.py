"""LSTMs over sequences: printed vectors, Keras, autodiff, finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.gnmt.stack import Pass
from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import gated
from tfmodels.layers.lstm import lstm_sequence

# Columns of candidate, gates i, f, o; rows of x, then of m.
KERNEL = [
    [0.5, -0.4, 0.3, 0.1, -0.2, 0.6, 0.7, -0.5],
    [-0.3, 0.8, 0.2, -0.6, 0.4, 0.1, -0.1, 0.9],
    [0.6, 0.2, -0.5, 0.4, 0.3, -0.7, 0.2, 0.1],
    [-0.1, 0.5, 0.7, -0.2, -0.6, 0.8, 0.3, -0.4],
]


def some(*shape, seed=0, dtype=np.float64):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def run(xs, limit, first_cells):
    kernel = tf.constant(KERNEL, tf.float64)
    sums = tf.constant(xs, tf.float64)[:, None] @ kernel[:2]
    cells = tf.constant([first_cells], tf.float64)
    first = tf.zeros_like(cells), cells
    mask = tf.ones([len(xs), 1, 1], tf.float64)
    return lstm_sequence(sums, kernel[2:], mask, first, limit, "gnmt")


def test_published_cell_to_the_printed_digits():
    made = run([(1, -0.5), (-0.8, 0.3), (0.2, 1)], 1.0, (0.9, -0.9))
    np.testing.assert_allclose(made.cells[0, 0], (0.67550469, -0.96827265), atol=5e-9)
    outputs = [
        (0.45878840, -0.27003655),
        (0.13185445, -0.01941762),
        (0.08050998, 0.15178979),
    ]
    np.testing.assert_allclose(made.outputs[:, 0], outputs, atol=5e-9)


def test_published_residual_to_the_printed_digits():
    layer = LSTM(2, cell="gnmt", num_biases=0, dtype="float64")
    layer.build((None, 2))
    layer.kernel.assign(KERNEL[:2])
    layer.recurrent_kernel.assign(KERNEL[2:])
    first = tf.constant([[[0, 0], [0.9, -0.9]]], tf.float64)
    x, mask = tf.constant([[[1, -0.5]]], tf.float64), tf.ones([1, 1, 1], tf.float64)
    output, last = Pass(1.0, tf.identity).layer(layer, x, mask, first)
    np.testing.assert_allclose(output[0, 0], (1, -0.77003655), atol=5e-9)
    np.testing.assert_allclose(last[0, 0], (0.45878840, -0.27003655), atol=5e-9)


def test_published_cell_at_its_limit():
    made = run([(1, -0.5)], 0.3, (0.3, -0.3))
    np.testing.assert_allclose(made.outputs[0, 0], (0.20375361, -0.08366545), atol=5e-9)
    np.testing.assert_allclose(made.last_cells[0], (0.3, -0.3), atol=1e-15)


def test_standard_cell_is_keras():
    layer = LSTM(4)
    layer.build((None, 3))
    theirs = keras.layers.LSTM(4, return_sequences=True)
    x = some(2, 5, 3, dtype=np.float32)
    theirs.build(x.shape)

    def reordered(weights):
        candidate, enter, forget, leave = np.split(np.asarray(weights), 4, -1)
        return np.concatenate([enter, forget, candidate, leave], -1)

    weights = [layer.kernel, layer.recurrent_kernel, layer.bias]
    theirs.set_weights([reordered(w) for w in weights])
    np.testing.assert_array_equal(theirs.get_weights()[2][4:8], 1)
    mask = tf.ones([5, 2, 1])
    made = layer.sequence(tf.transpose(x, (1, 0, 2)), mask)
    np.testing.assert_allclose(
        tf.transpose(made.outputs, (1, 0, 2)), theirs(x), atol=1e-6
    )


def test_recurrent_kernels_of_gates_are_orthogonal_and_differ():
    layer = LSTM(4)
    layer.build((None, 3))
    parts = np.split(np.asarray(layer.recurrent_kernel), 4, axis=1)
    for part in parts:
        np.testing.assert_allclose(part @ part.T, np.eye(4), atol=1e-6)
    assert np.abs(parts[0] - parts[1]).max() > 0.1


def by_autodiff(sums, recurrent, mask, first, limit, cell):
    """The same, step by step in Python, differentiated by TensorFlow."""
    h, c = first
    outputs = []
    for t in range(sums.shape[0]):
        m, new, _ = gated(sums[t] + h @ recurrent, c, limit, cell)
        h, c = tf.where(mask[t] > 0, m, h), tf.where(mask[t] > 0, new, c)
        outputs.append(h)
    return tf.stack(outputs), None, c


def problem(cell):
    """Sums, recurrent kernel, first states; a loss of all outputs. Some are clipped."""
    values = [some(5, 3, 16), some(4, 16, seed=1), some(3, 4, seed=2)]
    values.append(0.4 * some(3, 4, seed=3))
    mask = tf.constant(np.arange(5)[:, None] < [5, 2, 4], tf.float64)[:, :, None]
    weights, last_weights = some(5, 3, 4, seed=4), some(3, 4, seed=5)

    def loss(function, sums, recurrent, *first):
        outputs, _, last = function(sums, recurrent, mask, first, 0.5, cell)
        return tf.reduce_sum(outputs * weights) + tf.reduce_sum(last * last_weights)

    return values, loss


@pytest.mark.parametrize("cell", ["gnmt", "standard"])
def test_gradient_is_that_of_autodiff(cell):
    values, loss = problem(cell)
    results = []
    for function in (lstm_sequence, by_autodiff):
        with tf.GradientTape() as tape:
            tape.watch(values)
            total = loss(function, *values)
        results.append([total, *tape.gradient(total, values)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cell", ["gnmt", "standard"])
def test_gradient_is_that_of_finite_differences(cell):
    values, loss = problem(cell)

    @tf.function(autograph=False)
    def total(*values):
        return loss(lstm_sequence, *values)

    with tf.GradientTape() as tape:
        tape.watch(values)
        at = total(*values)
    for place, gradient in enumerate(tape.gradient(at, values)):
        way = some(*gradient.shape, seed=place + 9)
        ends = []
        for size in (1e-6, -1e-6):
            moved = list(values)
            moved[place] = moved[place] + size * way
            ends.append(total(*moved))
        slope = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(tf.reduce_sum(gradient * way), slope, rtol=1e-6)


def test_some_of_the_gradient_is_cut_off():
    """Otherwise the tests of the gradient would not see the limit."""
    values, _ = problem("gnmt")
    first = values[2:]
    mask = tf.ones([5, 3, 1], tf.float64)
    made = lstm_sequence(*values[:2], mask, first, 0.5, "gnmt")
    at_limit = np.abs(made.cells) >= 0.5
    assert 0.1 < at_limit.mean() < 0.9


def test_padding_carries_the_state_and_changes_nothing():
    sums, recurrent = some(5, 2, 16), some(4, 16, seed=1)
    first = (tf.zeros([2, 4], tf.float64),) * 2
    mask = tf.constant(np.arange(5)[:, None] < [5, 2], tf.float64)[:, :, None]
    made = lstm_sequence(sums, recurrent, mask, first, 1.0, "gnmt")
    short = lstm_sequence(
        sums[:2], recurrent, tf.ones([2, 2, 1], tf.float64), first, 1.0, "gnmt"
    )
    np.testing.assert_array_equal(made.outputs[:2], short.outputs)
    for step in range(2, 5):
        np.testing.assert_array_equal(made.outputs[step, 1], short.outputs[1, 1])
    np.testing.assert_array_equal(made.last_cells[1], short.last_cells[1])


def test_a_limit_that_is_never_reached_changes_no_bit():
    sums, recurrent = some(5, 2, 16), some(4, 16, seed=1)
    first = (tf.zeros([2, 4], tf.float64),) * 2
    mask = tf.ones([5, 2, 1], tf.float64)
    far, none = (
        lstm_sequence(sums, recurrent, mask, first, limit, "gnmt").outputs
        for limit in (np.inf, None)
    )
    np.testing.assert_array_equal(far, none)
