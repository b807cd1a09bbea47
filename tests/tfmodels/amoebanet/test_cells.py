"""The cells against an evaluation of their published wiring with plain operations."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.amoebanet.cells import NORMAL
from tfmodels.amoebanet.cells import REDUCTION
from tfmodels.amoebanet.cells import Wiring
from tfmodels.amoebanet.cells import cell
from tfmodels.amoebanet.units import PreactivatedUnits
from tfmodels.layers.config import BatchNorm
from tfmodels.layers.convolution import Conv

FILTERS = 8
# Each state: its two operations, each with the state it reads.
PUBLISHED = {
    "normal": (
        "conv1x1(1) max3(1)",
        "id(1) conv7(0)",
        "conv1x1(0) conv7(0)",
        "max3(2) id(2)",
        "avg3(1) conv1x1(5)",
    ),
    "reduction": (
        "max2(0) max3(0)",
        "id(2) conv3x3(1)",
        "conv7(2) max3(2)",
        "id(3) max2(1)",
        "avg3(2) conv1x1(3)",
    ),
}
JOINED = {"normal": (0, 3, 4, 6), "reduction": (4, 5, 6)}
WIRINGS = {"normal": NORMAL, "reduction": REDUCTION}
# Kernels of each convolutional operation, in order, and which of them is strided.
KERNELS = {
    "conv1x1": ([(1, 1)], 0),
    "conv3x3": ([(1, 1), (3, 3), (1, 1)], 1),
    "conv7": ([(1, 1), (1, 7), (7, 1), (1, 1)], 1),
}
POOLS = {"max2": ("MAX", 2), "max3": ("MAX", 3), "avg3": ("AVG", 3)}


def shake(model: keras.Model) -> None:
    """Statistics and factors as after training."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))


def unit(model: keras.Model, x: tf.Tensor, name: str, strides: int = 1) -> tf.Tensor:
    """ReLU, convolution and normalisation with the weights of one of the units."""
    kernel = model.get_layer(f"{name}_conv").kernel.value
    y = tf.nn.conv2d(tf.nn.relu(x), kernel, strides, "SAME")
    return normalized(model, y, name)


def normalized(model: keras.Model, y: tf.Tensor, name: str) -> tf.Tensor:
    norm = model.get_layer(f"{name}_bn")
    factor = norm.gamma / np.sqrt(norm.moving_variance + norm.epsilon)
    return (y - norm.moving_mean) * factor + norm.beta


def evaluate(
    model: keras.Model, kind: str, inputs: list[tf.Tensor], operation: str, name: str
) -> tf.Tensor:
    operation, state = operation.rstrip(")").split("(")
    x = inputs[int(state)]
    strides = 2 if kind == "reduction" and int(state) < 2 else 1
    if operation == "id":
        return x
    if operation in POOLS:
        pooling, size = POOLS[operation]
        return tf.nn.pool(x, [size] * 2, pooling, [strides] * 2, "SAME")
    kernels, strided = KERNELS[operation]
    for index, (height, width) in enumerate(kernels):
        step = strides if index == strided else 1
        x = unit(model, x, f"{name}_{index + 1}_{height}x{width}", step)
    return x


def reference(model: keras.Model, kind: str, states: list[tf.Tensor]) -> tf.Tensor:
    states = list(states)
    for number, pair in enumerate(PUBLISHED[kind], start=2):
        terms = [
            evaluate(model, kind, states, operation, f"x_state{number}{side}")
            for side, operation in zip("ab", pair.split(), strict=True)
        ]
        states.append(terms[0] + terms[1])
    return tf.concat([states[number] for number in JOINED[kind]], -1)


def build(wiring: Wiring, *shapes: tuple[int, int, int]) -> keras.Model:
    inputs = [keras.Input(shape) for shape in shapes]
    units = PreactivatedUnits(BatchNorm())
    model = keras.Model(inputs, cell(tuple(inputs), wiring, FILTERS, units, "x"))
    shake(model)
    return model


def values(*shapes: tuple[int, int, int]) -> list[tf.Tensor]:
    rng = np.random.default_rng(1)
    return [tf.constant(rng.normal(size=(2, *s)), tf.float32) for s in shapes]


@pytest.mark.parametrize("kind", WIRINGS)
@pytest.mark.parametrize("side", [6, 7])
def test_the_cell_computes_what_its_wiring_says(kind, side):
    shapes = (side, side, 5), (side, side, 3)
    model = build(WIRINGS[kind], *shapes)
    newer, older = values(*shapes)
    states = [unit(model, newer, "x_input0"), unit(model, older, "x_input1")]
    expected = reference(model, kind, states)
    np.testing.assert_allclose(model([newer, older]), expected, rtol=1e-4, atol=1e-5)


def test_an_older_input_of_the_right_width_is_taken_as_it_is():
    shapes = (6, 6, 5), (6, 6, FILTERS)
    model = build(NORMAL, *shapes)
    assert not any(layer.name.startswith("x_input1") for layer in model.layers)
    newer, older = values(*shapes)
    expected = reference(model, "normal", [unit(model, newer, "x_input0"), older])
    np.testing.assert_allclose(model([newer, older]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("larger", "side"), [((6, 8), (3, 4)), ((7, 5), (4, 3))])
def test_a_larger_older_input_is_read_at_every_second_pixel_twice(larger, side):
    shapes = (*side, 5), (*larger, 3)
    model = build(NORMAL, *shapes)
    newer, older = values(*shapes)
    pixels = np.maximum(older, 0)
    even, odd = np.zeros((2, 2, *side, 3))
    even[...] = pixels[:, ::2, ::2]
    further = pixels[:, 1::2, 1::2]
    odd[:, : further.shape[1], : further.shape[2]] = further
    kernels = [model.get_layer(f"x_input1{half}_conv").kernel[0, 0] for half in "ab"]
    halves = [tf.constant(x @ k) for x, k in zip((even, odd), kernels, strict=True)]
    second = normalized(model, tf.cast(tf.concat(halves, -1), tf.float32), "x_input1")
    expected = reference(model, "normal", [unit(model, newer, "x_input0"), second])
    np.testing.assert_allclose(model([newer, older]), expected, rtol=1e-4, atol=1e-5)


@functools.cache
def without_normalisation() -> keras.Model:
    x = keras.Input((4, 4, 3))
    units = PreactivatedUnits(batch_norm=None)
    y = units.convolution(x, Conv(4), "unit")
    return keras.Model(x, units.factorized_reduction(y, 4, "reduction"))


def test_without_normalisation_convolutions_have_biases():
    model = without_normalisation()
    kinds = [type(layer).__name__ for layer in model.layers]
    assert "BatchNormalization" not in kinds
    assert model.count_params() == 3 * 4 + 4 + 2 * (4 * 2 + 2)
