"""Tests of the integer engine against the cell in floating point."""

import numpy as np
import pytest

from export.integer.arithmetic import Table
from export.integer.arithmetic import sigmoid_table
from export.integer.arithmetic import tanh_table
from export.integer.arithmetic import to_bytes
from export.integer.arithmetic import to_int16
from export.integer.arithmetic import to_real
from export.integer.bundle import ARRAYS
from export.integer.bundle import Bundle
from export.integer.lstm import IntegerLSTM
from export.integer.lstm import added
from export.integer.lstm import encoded
from export.integer.matrix import IntegerMatrix
from tfmodels.errors import DataError


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


class Float:
    """The cell as the paper has it."""

    def __init__(self, random: np.random.Generator, inputs: int, width: int) -> None:
        deviation = 2 / np.sqrt(inputs)
        self.kernel = random.normal(0, deviation, [inputs, 4 * width])
        self.recurrent = random.normal(0, 2 / np.sqrt(width), [width, 4 * width])

    def sequence(self, inputs: np.ndarray, delta: float = 1.0) -> tuple[list, list]:
        m = c = np.zeros([inputs.shape[1], self.recurrent.shape[0]])
        outputs, cells = [], []
        for x in inputs:
            z = x @ self.kernel + m @ self.recurrent
            candidate, enter, forget, leave = np.split(z, 4, axis=1)
            new = sigmoid(enter) * np.tanh(candidate)
            c = np.clip(sigmoid(forget) * c + new, -delta, delta)
            m = sigmoid(leave) * c
            outputs.append(m)
            cells.append(c)
        return outputs, cells

    def integer(self, delta: float = 1.0) -> IntegerLSTM:
        return IntegerLSTM.of(self.kernel, self.recurrent, delta)


def test_rows_of_the_specification():
    matrix = IntegerMatrix.of(np.array([[0.5, -1, 0.25], [0.02, 0.01, -0.04]]))
    assert matrix.values.tolist() == [[64, -127, 32], [64, 32, -127]]
    np.testing.assert_allclose(matrix.scales, [1, 0.04], rtol=1e-7)
    assert not IntegerMatrix.of(np.zeros([2, 3])).values.any()


@pytest.mark.parametrize(
    ("table", "function"), [(sigmoid_table(), sigmoid), (tanh_table(), np.tanh)]
)
def test_tables(table: Table, function: object):
    arguments = np.arange(-(2**15), 2**15)
    values = table(arguments.astype(np.int16)) / 2**15
    error = np.abs(values - function(arguments / 2**11))
    assert error.max() <= 1.5 * 2**-12
    assert np.all(np.diff(values) >= 0)


def test_bytes_are_the_nearest_ones():
    values = np.arange(-32767, 32768)
    expected = np.rint(values * 127 / 32767)
    assert np.array_equal(to_bytes(values.astype(np.int16)), expected)


def test_random_cell_of_256_for_50_steps():
    random = np.random.default_rng(0)
    cell = Float(random, 256, 256)
    inputs = random.uniform(-1, 1, [50, 4, 256])
    _, cells = cell.sequence(inputs)
    layer = cell.integer()
    outputs = np.zeros([4, 256], np.int16)
    mine, errors = outputs, []
    for x, expected in zip(to_int16(inputs, 1.0), cells, strict=True):
        outputs, mine = layer.step(layer.weights.accumulate(x), outputs, mine)
        errors.append(np.abs(to_real(mine, 1.0) - expected))
    # Bounds of the specification; the cells themselves are about 0.37.
    assert np.max(errors) < 0.06
    assert np.mean(errors) < 0.006
    assert np.mean(np.abs(cells)) > 0.3


def test_cell_of_the_specification():
    weights = np.array(
        [
            [0.5, -0.4, 0.3, 0.1, -0.2, 0.6, 0.7, -0.5],
            [-0.3, 0.8, 0.2, -0.6, 0.4, 0.1, -0.1, 0.9],
            [0.6, 0.2, -0.5, 0.4, 0.3, -0.7, 0.2, 0.1],
            [-0.1, 0.5, 0.7, -0.2, -0.6, 0.8, 0.3, -0.4],
        ]
    )
    layer = IntegerLSTM.of(weights[:2], weights[2:])
    cells = to_int16(np.array([[0.9, -0.9]]), 1.0)
    inputs = to_int16(np.array([[[1, -0.5]], [[-0.8, 0.3]], [[0.2, 1]]]), 1.0)
    outputs, _ = layer.sequence(
        inputs, np.ones([3, 1], bool), (np.zeros([1, 2], np.int16), cells)
    )
    expected = [
        [0.45878840, -0.27003655],
        [0.13185445, -0.01941762],
        [0.08050998, 0.15178979],
    ]
    np.testing.assert_allclose(to_real(outputs[:, 0], 1.0), expected, atol=0.005)
    residual = to_real(added(outputs[0], inputs[0]), 1.0)
    np.testing.assert_allclose(residual, [[1, -0.77003655]], atol=0.005)


@pytest.mark.parametrize("delta", [1.0, 2.5])
def test_a_wider_bound(delta: float):
    random = np.random.default_rng(1)
    cell = Float(random, 32, 16)
    inputs = random.uniform(-delta, delta, [20, 3, 32])
    expected, cells = cell.sequence(inputs, delta)
    layer, mask = cell.integer(delta), np.ones([20, 3], bool)
    outputs, _ = layer.sequence(to_int16(inputs, delta), mask)
    errors = np.abs(to_real(outputs, delta) - expected)
    assert errors.mean() < 0.008 * delta
    assert np.abs(cells).max() == delta


def test_no_sum_leaves_32_bits():
    matrix = IntegerMatrix.of(np.ones([1, 3072]))
    sums = matrix.accumulate(np.full([1, 3072], 32767, np.int16))
    assert sums.tolist() == [[127 * 127 * 3072]]
    assert sums.dtype == np.int32
    assert matrix.arguments(sums, 1.0).tolist() == [[2**15 - 1]]
    assert matrix.arguments(-sums, 1.0).tolist() == [[-(2**15)]]
    with pytest.raises(DataError, match="at most 133144 for each output"):
        IntegerMatrix.of(np.ones([1, 133_145]))


def test_nothing_in_gives_nothing():
    cell = Float(np.random.default_rng(2), 8, 4).integer()
    zeros = np.zeros([1, 8], np.int16)
    sums = cell.weights.accumulate(zeros)
    assert not cell.weights.arguments(sums, 1.0).any()
    outputs, cells = cell.step(sums, zeros[:, :4], zeros[:, :4])
    assert not outputs.any()
    assert not cells.any()
    assert cell.sigmoid(np.int16([0])).tolist() == [2**14]


def test_logits_and_embeddings():
    random = np.random.default_rng(3)
    table = random.uniform(-0.8, 0.8, [11, 64])
    matrix = IntegerMatrix.of(table)
    states = random.uniform(-1, 1, [5, 64])
    logits = matrix.reals(matrix.accumulate(to_int16(states, 1.0)), 1.0)
    np.testing.assert_allclose(logits, states @ table.T, atol=0.06)
    ids = np.array([[3, 0], [10, 3]])
    vectors = to_real(matrix.rows(ids, 2.0), 2.0)
    np.testing.assert_allclose(vectors, table[ids], atol=0.8 / 254 + 1e-4)


def test_encoder_is_that_of_floating_point_and_padding_changes_nothing():
    random = np.random.default_rng(4)
    layers = [Float(random, size, 8) for size in (6, 6, 16, 8)]
    inputs = random.uniform(-1, 1, [7, 2, 6])
    lengths = np.array([7, 4])
    forward, backward, *upper = (layer.integer() for layer in layers)
    made, _ = encoded(forward, backward, upper, to_int16(inputs, 1.0), lengths)
    actual = to_real(made, 1.0)
    for row, length in enumerate(lengths):
        x = inputs[:length, row : row + 1]
        back = layers[1].sequence(x[::-1])[0][::-1]
        x = np.concatenate([layers[0].sequence(x)[0], back], axis=-1)
        x = np.array(layers[2].sequence(x)[0])
        x = np.clip(layers[3].sequence(x)[0] + x, -1, 1)
        np.testing.assert_allclose(actual[:length, row], x[:, 0], atol=0.03)
    short, _ = encoded(
        forward, backward, upper, to_int16(inputs[:4, 1:], 1.0), lengths[1:]
    )
    assert np.array_equal(to_real(short, 1.0), actual[:4, 1:])


def test_bounds_below_1_and_weights_that_are_not_finite():
    with pytest.raises(DataError, match=r"at least 1, .* received 0\.5"):
        IntegerLSTM.of(np.ones([2, 4]), np.ones([1, 4]), 0.5)
    with pytest.raises(DataError, match="Expected finite ones"):
        IntegerMatrix.of(np.array([[np.nan]]))


def test_bundle(tmp_path):
    matrix = IntegerMatrix.of(np.random.default_rng(5).normal(size=[3, 4]))
    table = tanh_table().knots
    Bundle({"layer": matrix}, {"tanh": table}, {"delta": 1.0}).save(tmp_path)
    found = Bundle.load(tmp_path)
    assert np.array_equal(found.matrices["layer"].values, matrix.values)
    assert np.array_equal(found.matrices["layer"].scales, matrix.scales)
    assert np.array_equal(found.arrays["tanh"], table)
    assert found.facts == {"delta": 1.0}
    whole = (tmp_path / ARRAYS).read_bytes()
    (tmp_path / ARRAYS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"Expected integer\.npz and integer\.json"):
        Bundle.load(tmp_path)
