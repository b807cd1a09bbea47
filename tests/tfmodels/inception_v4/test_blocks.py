"""Residual identity, orders of factorised kernels, scales and heads."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest

import tfmodels
from tfmodels.errors import ConfigError
from tfmodels.inception_v4.config import InceptionResNetV1Config
from tfmodels.inception_v4.config import InceptionResNetV2Config
from tfmodels.layers.residual import ScaledAdd

SMALL: dict[str, Any] = {
    "stem": "small",
    "padding": "same",
    "input_shape": [8, 8, 1],
    "num_classes": 3,
    "width_multiplier": 0.05,
    "block_counts": [1, 1, 2],
}


def block(model: keras.Model, name: str, before: str) -> keras.Model:
    return keras.Model(model.endpoints[before], model.endpoints[name])


def trunk_values(model: keras.Model, endpoint: str) -> np.ndarray:
    shape = (2, *model.endpoints[endpoint].shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def released() -> keras.Model:
    return tfmodels.build("inception_resnet_v2", **SMALL)


def test_scale_0_is_the_identity_on_what_a_relu_let_through():
    with pytest.warns(UserWarning, match=r"outside 0\.1 to 0\.3"):
        model = tfmodels.build(
            "inception_resnet_v1", **SMALL, residual_scales=[0, 0, 0]
        )
    values = np.abs(trunk_values(model, "reduction_a"))
    np.testing.assert_array_equal(block(model, "b1", "reduction_a")(values), values)


def test_zero_projection_is_the_identity_and_the_last_block_passes_negatives(released):
    for name in ("c1", "c2"):
        projection = released.get_layer(f"{name}_projection_conv")
        projection.kernel.assign(np.zeros(projection.kernel.shape))
        np.testing.assert_array_equal(projection.bias, 0)
    values = trunk_values(released, "c1")
    first = block(released, "c1", "reduction_b")(values)
    np.testing.assert_array_equal(first, np.maximum(values, 0))
    np.testing.assert_array_equal(block(released, "c2", "c1")(values), values)


def scales(model: keras.Model) -> dict[str, float]:
    layers = [layer for layer in model.layers if isinstance(layer, ScaledAdd)]
    return {layer.name: layer.scale for layer in layers}


def test_scales_by_stage(released):
    assert scales(released) == {
        "a1_add": 0.17,
        "b1_add": 0.10,
        "c1_add": 0.20,
        "c2_add": 1.0,
    }
    paper = tfmodels.build("inception_resnet_v2", wiring="paper", **SMALL)
    assert scales(paper)["c2_add"] == 0.20


def test_projection_is_linear_without_normalisation_and_as_wide_as_the_trunk(released):
    projection = released.get_layer("b1_projection_conv")
    assert projection.use_bias
    assert projection.activation is keras.activations.linear
    assert projection.filters == released.endpoints["reduction_a"].shape[-1]
    assert released.get_layer("b1_add").input[1] is projection.output


@pytest.mark.parametrize(
    ("residual_scales", "warned"),
    [([0.1, 0.3, 0.2], False), ([1.0, 0.2, 0.2], True), ([0.2, 0.05, 0.2], True)],
)
def test_scales_that_can_kill_a_network_warn(residual_scales, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        InceptionResNetV1Config.parse({"residual_scales": residual_scales})
    assert bool(caught) is warned


def test_block_counts_follow_the_wiring_unless_given():
    parse = InceptionResNetV2Config.parse
    assert parse({}).block_counts == (10, 20, 10)
    assert parse({"wiring": "paper"}).block_counts == (5, 10, 5)
    assert parse({"wiring": "paper", "block_counts": [1, 2, 3]}).block_counts == (
        1,
        2,
        3,
    )


def kernels(model: keras.Model, prefix: str) -> list[tuple[int, int]]:
    layers = sorted(
        (layer for layer in model.layers if layer.name.startswith(prefix)),
        key=lambda layer: layer.name,
    )
    return [
        layer.kernel_size for layer in layers if isinstance(layer, keras.layers.Conv2D)
    ]


@pytest.mark.parametrize(
    ("factorization", "long_b", "long_c", "stem"),
    [
        (
            "released",
            [(7, 1), (1, 7), (7, 1), (1, 7)],
            [(3, 1), (1, 3)],
            [(1, 7), (7, 1)],
        ),
        (
            "paper",
            [(1, 7), (7, 1), (1, 7), (7, 1)],
            [(1, 3), (3, 1)],
            [(7, 1), (1, 7)],
        ),
    ],
)
def test_order_of_factorised_kernels_of_v4(factorization, long_b, long_c, stem):
    model = tfmodels.build(
        "inception_v4", factorization=factorization, auxiliary_head=None, **SMALL
    )
    assert kernels(model, "b1_branch2")[1:] == [(1, 7), (7, 1)]
    assert kernels(model, "b1_branch3")[1:] == long_b
    assert kernels(model, "c1_branch3")[1:3] == long_c
    assert kernels(model, "c1_branch3")[3:] == [(1, 3), (3, 1)]
    assert kernels(model, "stem2_branch2")[1:3] == stem


@pytest.mark.parametrize(
    ("factorization", "order"),
    [("1xn_first", [(1, 7), (7, 1)]), ("nx1_first", [(7, 1), (1, 7)])],
)
def test_order_of_factorised_kernels_of_residual_networks(factorization, order):
    model = tfmodels.build("inception_resnet_v1", factorization=factorization, **SMALL)
    assert kernels(model, "b1_branch2")[1:] == order
    assert kernels(model, "c1_branch2")[1:] == [
        (min(height, 3), min(width, 3)) for height, width in order
    ]


def test_weights_of_one_order_have_other_names_than_those_of_the_other():
    paths = [
        {
            weight.path
            for weight in tfmodels.build(
                "inception_v4", factorization=order, auxiliary_head=None, **SMALL
            ).weights
        }
        for order in ("released", "paper")
    ]
    assert paths[0] != paths[1]


def test_pool_branch_keeps_a_constant_image_constant():
    model = tfmodels.build("inception_v4", auxiliary_head=None, **SMALL)
    pool = model.get_layer("a1_branch4_1_average_pool")
    constant = np.full((1, *pool.input.shape[1:]), 0.3, np.float32)
    np.testing.assert_allclose(pool(constant), 0.3, rtol=1e-6)


def test_auxiliary_head_reads_the_last_block_at_17x17():
    model = tfmodels.build(
        "inception_v4",
        block_counts=[1, 2, 1],
        width_multiplier=0.05,
        num_classes=3,
    )
    assert model.get_layer("aux_pool").input is model.endpoints["b2"]
    assert model.get_layer("aux_pool").output.shape[1:3] == (5, 5)
    hidden = model.get_layer("aux_hidden_conv")
    assert hidden.kernel_size == (5, 5)
    assert hidden.output.shape[1:3] == (1, 1)
    assert list(model.output) == ["logits", "aux_logits"]


def test_image_too_small_for_valid_padding():
    with pytest.raises(ConfigError, match=r"at least 75 .*Received: \[74, 80, 3\]"):
        tfmodels.build("inception_resnet_v1", input_shape=[74, 80, 3])
