"""Modules of parallel branches: algebra, order, borders and names."""

import keras
import numpy as np
import pytest

from tfmodels.googlenet.config import InceptionModule
from tfmodels.googlenet.model import module_branches
from tfmodels.layers.branches import Branches
from tfmodels.layers.branches import Fork
from tfmodels.layers.branches import concatenated
from tfmodels.layers.convolution import Conv
from tfmodels.layers.convolution import Pool
from tfmodels.layers.convolution import Units

UNITS = Units(batch_norm=None, width=lambda filters: filters, initialization="he")


def module(branches: Branches, channels: int) -> keras.Model:
    image = keras.Input((6, 5, channels))
    return keras.Model(image, concatenated(image, branches, UNITS, "m"))


def set_kernel(model: keras.Model, layer: str, kernel: np.ndarray) -> None:
    model.get_layer(layer).kernel.assign(kernel)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(2, 6, 5, 3)).astype(np.float32)


def windows_of_3(image: np.ndarray, border: float) -> np.ndarray:
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=border)
    shifts = [
        padded[:, y : y + image.shape[1], x : x + image.shape[2]]
        for y in range(3)
        for x in range(3)
    ]
    return np.stack(shifts)


@pytest.fixture
def inception() -> keras.Model:
    spec = InceptionModule(
        pass_through=3, group_3x3=(2, 4), group_5x5=(2, 5), pool_projection=3
    )
    return module(module_branches(spec, third_kernel=5), channels=3)


def test_identity_pass_through_copies_the_input_first(inception, image):
    for layer in inception.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(np.zeros(layer.kernel.shape))
    set_kernel(inception, "m_branch1_1_1x1_conv", np.eye(3).reshape(1, 1, 3, 3))
    output = inception(image).numpy()
    np.testing.assert_array_equal(output[..., :3], image)
    np.testing.assert_array_equal(output[..., 3:], 0)


def test_outputs_are_joined_in_the_order_of_the_branches(inception, image):
    names = ["branch1_1_1x1", "branch2_2_3x3", "branch3_2_5x5", "branch4_2_1x1"]
    for value, name in enumerate(names, start=1):
        layer = inception.get_layer(f"m_{name}_conv")
        layer.kernel.assign(np.zeros(layer.kernel.shape))
        layer.bias.assign(np.full(layer.bias.shape, value))
    expected = [1] * 3 + [2] * 4 + [3] * 5 + [4] * 3
    np.testing.assert_array_equal(inception(image)[1, 2, 3], expected)


def test_pool_branch_is_a_maximum_over_3x3(inception, image):
    set_kernel(inception, "m_branch4_2_1x1_conv", np.eye(3).reshape(1, 1, 3, 3))
    expected = windows_of_3(image, border=-np.inf).max(axis=0)
    np.testing.assert_array_equal(inception(image)[..., -3:], expected)


def test_module_of_one_group_needs_no_pass_through(image):
    spec = InceptionModule(group_3x3=(2, 4))
    model = module(module_branches(spec, third_kernel=5), channels=3)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer"] + ["Conv2D", "Activation"] * 2
    assert model(image).shape == (2, 6, 5, 4)


def test_kernel_of_the_pass_through_can_be_chosen():
    spec = InceptionModule(pass_through=4, pass_through_kernel=3, pool_projection=2)
    model = module(module_branches(spec, third_kernel=5), channels=3)
    assert model.get_layer("m_branch1_1_3x3_conv").kernel.shape == (3, 3, 3, 4)


def test_average_leaves_padding_out(image):
    model = module({"pool": (Pool("average"),)}, channels=3)
    np.testing.assert_allclose(model(np.full_like(image, 0.7)), 0.7, rtol=1e-6)
    inside = windows_of_3(image, border=0).sum(axis=0)
    counts = windows_of_3(np.ones_like(image), border=0).sum(axis=0)
    np.testing.assert_allclose(model(image), inside / counts, rtol=1e-6)


def test_fork_adds_each_of_its_paths(image):
    fork = Fork((Conv(2, (1, 3)), Conv(4, (3, 1))))
    model = module({"a": (Conv(3), fork), "b": (Conv(1),)}, channels=3)
    assert model(image).shape[-1] == 2 + 4 + 1
    names = {layer.name for layer in model.layers}
    assert {"m_a_1_1x1_conv", "m_a_2_1x3_conv", "m_a_2_3x1_conv"} < names


def test_factorised_kernels_equal_their_outer_product():
    generator = np.random.default_rng(1)
    row, column = generator.normal(size=(2, 7)).astype(np.float32)
    image = generator.normal(size=(1, 12, 11, 1)).astype(np.float32)
    wide = keras.layers.Conv2D(1, (1, 7), use_bias=False)
    tall = keras.layers.Conv2D(1, (7, 1), use_bias=False)
    full = keras.layers.Conv2D(1, 7, use_bias=False)
    for layer, kernel in ((wide, row), (tall, column), (full, np.outer(column, row))):
        layer.build((None, None, None, 1))
        layer.kernel.assign(kernel.reshape(layer.kernel.shape))
    expected = full(image)
    np.testing.assert_allclose(tall(wide(image)), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(wide(tall(image)), expected, rtol=1e-5, atol=1e-5)
