"""What all image classifiers can do, on networks for 8x8 digits."""

import functools
import itertools
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.classification.model import ImageClassifier

SMALL: dict[str, Any] = {
    "stem": "small",
    "input_shape": [8, 8, 1],
    "num_classes": 10,
    "width_multiplier": 0.05,
}
INCEPTION = {**SMALL, "padding": "same", "block_counts": [1, 1, 1]}
NETWORKS = {
    "googlenet_paper": ("googlenet", SMALL),
    "googlenet_torchvision": ("googlenet", {**SMALL, "variant": "torchvision"}),
    "inception_v4": ("inception_v4", INCEPTION),
    "inception_resnet_v2": ("inception_resnet_v2", INCEPTION),
}


def build(network: str, **changes: Any) -> ImageClassifier:
    name, config = NETWORKS[network]
    return tfmodels.build(name, **{**config, **changes})


@functools.cache
def built(network: str) -> ImageClassifier:
    """One network for the tests that do not care what its weights are."""
    model = build(network)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(weight + generator.uniform(0, 0.1, weight.shape))
    return model


@pytest.fixture(params=NETWORKS)
def network(request) -> str:
    return request.param


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)


def test_deploy_keeps_the_logits_bit_for_bit_and_drops_the_heads(network, images):
    model = built(network)
    deployed = model.deploy()
    heads = [name for name in model.output if name != "logits"]
    assert heads
    assert set(deployed.output) == {"logits"}
    np.testing.assert_array_equal(model(images)["logits"], deployed(images)["logits"])
    removed = {weight.path for weight in model.weights} - {
        weight.path for weight in deployed.weights
    }
    assert removed
    assert all(path.startswith("aux") for path in removed)
    assert not any(weight.path.startswith("aux") for weight in deployed.weights)
    assert not any(name.startswith("aux") for name in deployed.endpoints)


def test_saved_file_rebuilds_the_same_network(network, images, tmp_path):
    assert_saved_and_loaded(built(network), images, tmp_path / "model.keras")


def test_saved_file_of_a_deployed_network_has_no_heads(images, tmp_path):
    model = built("googlenet_paper").deploy()
    assert model.config.heads == ()
    assert_saved_and_loaded(model, images, tmp_path / "deployed.keras")


def assert_saved_and_loaded(
    model: ImageClassifier, images: np.ndarray, path: pathlib.Path
) -> None:
    model.save(path)
    copy = keras.saving.load_model(path)
    assert isinstance(copy, ImageClassifier)
    assert copy.config == model.config
    assert list(copy.endpoints) == list(model.endpoints)
    expected, actual = model(images), copy(images)
    assert set(actual) == set(expected)
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name])


def test_weight_paths_are_unique_and_do_not_depend_on_what_was_built_before(network):
    first, second = built(network), build(network)
    paths = [weight.path for weight in first.weights]
    assert len(set(paths)) == len(paths)
    assert paths == [weight.path for weight in second.weights]


def test_features_are_the_endpoints(network, images):
    model = built(network)
    features = model.features()(images)
    assert list(features) == list(model.endpoints)
    np.testing.assert_array_equal(features["logits"], model(images)["logits"])
    for name, tensor in model.endpoints.items():
        assert features[name].shape[1:] == tensor.shape[1:]


def test_blocks_are_connected_only_through_endpoints(network):
    """Cutting the graph at any endpoint of the trunk separates what is before it."""
    model = built(network).deploy()
    for before, cut in itertools.pairwise(model.endpoints.values()):
        # Keras refuses to make a model whose output needs more than its input.
        keras.Model(before, cut)


@pytest.mark.parametrize("network", ["googlenet_paper", "inception_resnet_v2"])
def test_scores_are_float32_under_mixed_precision(network, images):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(network)
    finally:
        keras.config.set_dtype_policy(policy)
    outputs = model(images, training=True)
    assert {output.dtype for output in outputs.values()} == {tf.float32}
    assert model.endpoints["pool"].dtype == "bfloat16"


def gradients(
    model: keras.Model, images: np.ndarray, weights: dict[str, float]
) -> dict[str, np.ndarray]:
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tf.add_n(
            weight * tf.reduce_sum(tf.nn.log_softmax(outputs[name])[:, 0])
            for name, weight in weights.items()
        )
    variables = [variable.value for variable in model.trainable_variables]
    values = tape.gradient(loss, variables, unconnected_gradients="zero")
    return {
        variable.path: value.numpy()
        for variable, value in zip(model.trainable_variables, values, strict=True)
    }


WITHOUT_DROPOUT = {
    "dropout_rate": 0.0,
    "heads": [{"attach": name, "dropout_rate": 0.0} for name in ("4a", "4d")],
}


def test_heads_of_weight_0_do_not_change_the_trunk(images):
    model = build("googlenet_paper", **WITHOUT_DROPOUT)
    off = gradients(model, images, {"logits": 1, "aux1_logits": 0, "aux2_logits": 0})
    trunk = gradients(model.deploy(), images, {"logits": 1})
    assert len(trunk) < len(off)
    for path, gradient in off.items():
        expected = trunk.get(path, np.zeros_like(gradient))
        np.testing.assert_allclose(gradient, expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(("head", "attach"), [("aux1", "4a"), ("aux2", "4d")])
def test_heads_teach_nothing_above_their_attachment(head, attach, images):
    model = build("googlenet_paper", **WITHOUT_DROPOUT)
    modules = [name for name in model.endpoints if name[0] in "345"]
    above = modules[modules.index(attach) + 1 :]
    taught = {
        path.split("_")[0]
        for path, gradient in gradients(model, images, {f"{head}_logits": 1}).items()
        if np.any(gradient)
    }
    assert taught.isdisjoint({*above, "logits"})
    assert {"conv1", attach, head} <= taught


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("googlenet_torchvision", {1: "3b", 2: "4e", 4: "5b"}),
        ("inception_v4", {1: "a1", 2: "b1", 4: "c1"}),
        ("inception_resnet_v2", {1: "a1", 2: "b1", 4: "conv6"}),
    ],
)
def test_pyramid_has_the_last_endpoint_of_each_stride(network, expected):
    assert built(network).pyramid() == expected
