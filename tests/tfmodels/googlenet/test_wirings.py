"""The variants of GoogLeNet: what tells them apart, and what can be changed."""

from typing import Any

import keras
import numpy as np
import pytest

import tfmodels
from tfmodels.classification.model import ImageClassifier
from tfmodels.googlenet.config import GoogLeNetConfig


def narrow(variant: str, **changes: Any) -> ImageClassifier:
    fields = {"input_shape": [64, 64, 3], "num_classes": 3, "width_multiplier": 0.05}
    return tfmodels.build("googlenet", **{"variant": variant, **fields, **changes})


def kinds(model: keras.Model) -> set[str]:
    return {type(layer).__name__ for layer in model.layers}


def test_paper_has_biases_of_0_2_and_no_batch_norm():
    model = narrow("paper")
    assert "BatchNormalization" not in kinds(model)
    assert "LocalResponseNormalization" in kinds(model)
    np.testing.assert_allclose(model.get_layer("conv1_conv").bias, 0.2)
    np.testing.assert_allclose(model.get_layer("aux1_hidden_dense").bias, 0.2)
    np.testing.assert_array_equal(model.get_layer("logits").bias, 0)


def test_paper_normalises_after_pool1_and_before_pool2():
    names = [layer.name for layer in narrow("paper").layers]
    assert names.index("pool1") < names.index("pool1_lrn") < names.index("conv2_conv")
    assert names.index("conv2_relu") < names.index("conv2_lrn") < names.index("pool2")


@pytest.mark.parametrize(
    ("variant", "gamma"), [("bn", True), ("slim", False), ("torchvision", True)]
)
def test_batch_norm_in_place_of_biases(variant, gamma):
    model = narrow(variant)
    assert "LocalResponseNormalization" not in kinds(model)
    assert not model.get_layer("conv1_conv").use_bias
    norm = model.get_layer("conv1_bn")
    assert norm.scale is gamma
    assert (norm.momentum, norm.epsilon) == (0.9997, 1e-3)


def test_he_kernels_have_variance_2_over_fan_in():
    model = tfmodels.build("googlenet", variant="bn", heads=[])
    kernel = model.get_layer("5b_branch2_2_3x3_conv").kernel.numpy()
    assert np.var(kernel) == pytest.approx(2 / (9 * 192), rel=0.01)
    assert np.std(model.get_layer("logits").kernel) == pytest.approx(0.0088, rel=0.01)


@pytest.mark.parametrize(
    ("variant", "dropout_rate", "scaling", "heads"),
    [
        ("paper", 0.4, "caffe", 2),
        ("bn", 0.4, "inception", 2),
        ("slim", 0.2, "inception", 0),
        ("torchvision", 0.2, "torch", 2),
    ],
)
def test_defaults_of_a_variant(variant, dropout_rate, scaling, heads):
    config = GoogLeNetConfig.parse({"variant": variant})
    assert config.dropout_rate == dropout_rate
    assert config.input_scaling == scaling
    assert len(config.heads) == heads
    assert all(head.dropout_rate == 0.7 for head in config.heads)


def test_each_field_of_a_variant_can_be_overridden():
    config = GoogLeNetConfig.parse(
        {"variant": "slim", "third_kernel": 5, "batch_norm": None, "dropout_rate": 0.4}
    )
    assert config.third_kernel == 5
    assert config.last_pool_size == 2
    assert config.batch_norm is None
    assert config.dropout_rate == 0.4


@pytest.mark.parametrize(
    ("variant", "kernel", "window"),
    [("paper", 5, 3), ("bn", 5, 3), ("slim", 3, 2), ("torchvision", 3, 2)],
)
def test_third_branch_and_last_pool(variant, kernel, window):
    model = narrow(variant)
    third = model.get_layer(f"3a_branch3_2_{kernel}x{kernel}_conv")
    assert third.kernel_size == (kernel, kernel)
    assert model.get_layer("pool3").pool_size == (3, 3)
    assert model.get_layer("pool4").pool_size == (window, window)


@pytest.mark.parametrize("size", [64, 75])
def test_torchvision_pads_the_first_convolution_by_3_and_pools_at_the_end(size):
    """Shapes and values follow torch's rules, which differ from SAME at odd sizes."""
    model = narrow("torchvision", input_shape=[size, size + 1, 3], heads=[])
    images = np.random.default_rng(0).normal(size=(1, size, size + 1, 3))
    features = model.features()(images.astype(np.float32))
    conv = keras.layers.Conv2D(4, 7, 2, "valid", use_bias=False)
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0))).astype(np.float32)
    conv.build(padded.shape)
    conv.kernel.assign(model.get_layer("conv1_conv").kernel)
    normalized = model.get_layer("conv1_bn")(conv(padded))
    conv1 = np.maximum(normalized, 0)
    np.testing.assert_allclose(features["conv1"], conv1, atol=1e-5)
    np.testing.assert_array_equal(
        features["pool1"], ceil_mode_pool(features["conv1"].numpy(), 3)
    )
    np.testing.assert_array_equal(
        features["pool4"], ceil_mode_pool(features["4e"].numpy(), 2)
    )


def ceil_mode_pool(x: np.ndarray, size: int) -> np.ndarray:
    """torch.nn.MaxPool2d(size, stride=2, ceil_mode=True)."""
    height, width = (-(-(side - size) // 2) + 1 for side in x.shape[1:3])
    windows = [
        [
            x[:, 2 * row : 2 * row + size, 2 * column : 2 * column + size].max((1, 2))
            for column in range(width)
        ]
        for row in range(height)
    ]
    return np.moveaxis(np.array(windows), 2, 0)


def test_tensorflow_padding_differs_from_explicit_padding():
    images = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
    symmetric = narrow("torchvision", heads=[])
    same = narrow("torchvision", heads=[], symmetric_padding=False)
    same.set_weights(symmetric.get_weights())
    assert np.abs(symmetric(images)["logits"] - same(images)["logits"]).max() > 0


def test_adaptive_average_has_the_windows_of_torch():
    model = tfmodels.build(
        "googlenet", variant="torchvision", num_classes=2, width_multiplier=0.05
    )
    head = keras.Model(model.endpoints["4a"], model.get_layer("aux1_pool").output)
    channels = model.endpoints["4a"].shape[-1]
    maps = np.random.default_rng(0).normal(size=(1, 14, 14, channels))
    pooled = head(maps.astype(np.float32)).numpy()
    starts = (0, 3, 7, 10)
    for row, top in enumerate(starts):
        for column, left in enumerate(starts):
            window = maps[:, top : top + 4, left : left + 4].mean((1, 2))
            np.testing.assert_allclose(pooled[:, row, column], window, atol=1e-5)


def test_heads_are_configurable():
    model = narrow(
        "bn", heads=[{"attach": "3b", "filters": 40, "hidden": 80, "pool_strides": 2}]
    )
    assert set(model.output) == {"logits", "aux1_logits"}
    assert model.endpoints["aux1"] is model.output["aux1_logits"]
    assert model.get_layer("aux1_pool").input is model.endpoints["3b"]
    # Widths of heads scale with the network; a 8x8 map gives 2x2 windows of 5 by 2.
    assert model.get_layer("aux1_hidden_dense").kernel.shape == (2 * 2 * 4, 4)


def test_pool_of_a_head_shrinks_to_a_small_map():
    pool = narrow("bn", input_shape=[32, 64, 3]).get_layer("aux1_pool")
    assert pool.pool_size == (2, 4)
    assert pool.strides == (3, 3)


def test_modules_of_ones_own():
    model = narrow(
        "bn",
        width_multiplier=1.0,
        heads=[],
        stages=[
            [{"group_3x3": [8, 12]}],
            [{"pass_through": 6, "pass_through_kernel": 3, "pool_projection": 10}],
        ],
        last_pool_size=2,
    )
    shapes = {name: tuple(x.shape[1:]) for name, x in model.endpoints.items()}
    assert shapes["3a"] == (8, 8, 12)
    assert shapes["pool3"] == (4, 4, 12)
    assert shapes["4a"] == (4, 4, 16)
    assert model.get_layer("pool3").pool_size == (2, 2)


@pytest.mark.parametrize(
    ("width_multiplier", "expected"), [(1.0, 30), (0.05, 4), (0.5, 16), (2.0, 60)]
)
def test_width_multiplier_rounds_to_multiples_of_4(width_multiplier, expected):
    config = GoogLeNetConfig.parse({"width_multiplier": width_multiplier})
    assert config.width(30) == expected
