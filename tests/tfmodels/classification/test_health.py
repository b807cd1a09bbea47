"""Dead channels and residual ratios: against numpy, and on networks killed by hand."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.classification.health import dead_share
from tfmodels.classification.health import health
from tfmodels.classification.health import residual_ratio
from tfmodels.classification.model import ImageClassifier

SMALL: dict[str, Any] = {
    "stem": "small",
    "input_shape": [8, 8, 1],
    "num_classes": 10,
    "width_multiplier": 0.05,
}
INCEPTION = {**SMALL, "padding": "same", "block_counts": [1, 1, 1]}
NETWORKS = {
    "googlenet": ("googlenet", {**SMALL, "variant": "bn"}),
    "inception_v4": ("inception_v4", INCEPTION),
    "inception_resnet_v1": ("inception_resnet_v1", INCEPTION),
    "inception_resnet_v2": (
        "inception_resnet_v2",
        {**INCEPTION, "residual_scales": [0.1, 0.1, 0.1]},
    ),
}


def build(network: str, **changes: Any) -> ImageClassifier:
    name, config = NETWORKS[network]
    return tfmodels.build(name, **{**config, **changes})


@functools.cache
def examined(network: str) -> tuple[ImageClassifier, Any, list[np.ndarray]]:
    """A network, its health function, and its weights as they were made."""
    model = build(network)
    return model, health(model), model.get_weights()


@pytest.fixture
def fresh() -> Callable[[str], tuple[ImageClassifier, Any]]:
    """A network, one for all tests, with its first weights; its health function."""

    def fresh(network: str) -> tuple[ImageClassifier, Any]:
        model, examine, weights = examined(network)
        model.set_weights(weights)
        return model, examine

    return fresh


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype(np.float32)


def figures(examine: Any, images: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in examine(images).items()}


def kill(model: ImageClassifier, endpoint: str) -> None:
    """Biases that no activation of a subnetwork can overcome."""
    for layer in model.layers:
        if layer.name.startswith(f"{endpoint}_"):
            for weight in layer.trainable_weights:
                if weight.name in ("beta", "bias"):
                    weight.assign(tf.fill(weight.shape, -1e6))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_killed_at_its_end_is_told_from_a_fresh_one(network, fresh, images):
    model, examine = fresh(network)
    before = figures(examine, images)
    last = next(reversed([n for n, x in model.endpoints.items() if len(x.shape) == 4]))
    assert before["dead_channels"] < 0.5
    kill(model, last)
    dead = figures(examine, images)
    assert dead.pop("dead_channels") == 1
    assert dead.pop(f"dead_channels/{last}") == 1
    for name in dead.keys() - {f"residual_ratio/{last}"}:
        assert dead[name] == before[name], name
    assert examine.experimental_get_tracing_count() == 1


def test_the_share_is_a_count_of_channels(fresh, images):
    model, examine = fresh("inception_resnet_v2")
    beta = model.get_layer("conv6_bn").beta
    beta.assign(tf.where(tf.range(beta.shape[0]) < 3, -1e6, 0.0))
    found = figures(examine, images)
    assert found["dead_channels"] == pytest.approx(3 / beta.shape[0], rel=1e-6)


@pytest.mark.parametrize("num_dead", [0, 1, 5])
def test_dead_share_against_numpy(num_dead):
    maps = np.random.default_rng(1).normal(size=(3, 4, 2, 5)).astype(np.float32)
    maps = np.maximum(maps, 0)
    maps[..., :num_dead] = 0
    counted = np.mean(np.all(maps.reshape(-1, 5) == 0, axis=0))
    assert counted == num_dead / 5
    assert dead_share(tf.constant(maps)) == np.float32(counted)


def test_one_active_position_or_a_nan_is_life():
    maps = np.zeros((2, 3, 3, 4), np.float32)
    maps[1, 2, 0, 0] = 1e-30
    maps[0, 0, 0, 1] = np.nan
    assert dead_share(tf.constant(maps)) == 0.5


def test_residual_ratio_of_half_precision_is_summed_in_single():
    trunk = tf.fill([4, 100, 100, 8], tf.constant(2.0, tf.float16))
    assert float(residual_ratio((trunk, trunk / 2), 0.5)) == pytest.approx(0.25)


def test_every_residual_block_and_no_other_has_a_ratio(fresh, images):
    _, examine = fresh("inception_resnet_v1")
    ratios = {name for name in examine(images) if name.startswith("residual_ratio/")}
    assert ratios == {f"residual_ratio/{block}" for block in ("a1", "b1", "c1")}
    _, examine = fresh("inception_v4")
    assert not any("ratio" in name for name in examine(images))


@pytest.mark.filterwarnings("ignore:residual_scales")
def test_without_scaling_the_first_blocks_ratio_is_ten_times_larger(fresh, images):
    small, examine = fresh("inception_resnet_v2")
    large = build("inception_resnet_v2", residual_scales=[1.0, 1.0, 1.0])
    large.set_weights(small.get_weights())
    name = "residual_ratio/a1"
    scaled, unscaled = examine(images)[name], health(large)(images)[name]
    assert float(unscaled) == pytest.approx(10 * float(scaled), rel=1e-6)


def test_figures_are_those_of_the_activations_in_training(fresh, images):
    model, examine = fresh("inception_resnet_v1")
    model.get_layer("c1_projection_conv").bias.assign_sub(
        tf.range(model.endpoints["c1"].shape[-1], dtype=tf.float32)
    )
    found = figures(examine, images)
    layers = {"trunk": "stem3_concat", "branch": "a1_projection_conv", "end": "c1_relu"}
    outputs = {key: model.get_layer(name).output for key, name in layers.items()}
    seen = keras.Model(model.inputs[0], outputs)(images, training=True)
    arrays = {key: np.asarray(value, np.float64) for key, value in seen.items()}
    norms = {key: np.sqrt(np.sum(value**2)) for key, value in arrays.items()}
    expected = 0.17 * norms["branch"] / norms["trunk"]
    assert found["residual_ratio/a1"] == pytest.approx(expected, rel=1e-5)
    dead = np.mean(np.all(arrays["end"] == 0, axis=(0, 1, 2)))
    assert 0 < dead < 1
    assert found["dead_channels"] == pytest.approx(dead)


def test_examining_changes_no_variable_though_the_model_runs_as_in_training(
    fresh, images
):
    model, examine = fresh("inception_resnet_v2")
    before = [variable.numpy() for variable in model.variables]
    examine(images)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)
    model(images, training=True)
    changed = [
        variable.path.split("/")[-1]
        for variable, value in zip(model.variables, before, strict=True)
        if np.any(variable.numpy() != value)
    ]
    assert {"moving_mean", "moving_variance"} <= set(changed)


def test_moving_averages_that_lag_behind_raise_no_alarm(fresh, images):
    model, examine = fresh("inception_v4")
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(tf.fill(layer.moving_mean.shape, 1e6))
    assert not np.any(keras.Model(model.inputs[0], model.endpoints["c1"])(images))
    assert figures(examine, images)["dead_channels"] == 0


def test_a_mirrored_model_with_shared_batch_statistics_gives_the_same(fresh, images):
    plain, examine = fresh("inception_resnet_v1")
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        mirrored = build("inception_resnet_v1")
        mirrored.set_weights(plain.get_weights())
    for layer in mirrored.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    expected = figures(examine, images)
    assert figures(health(mirrored), images) == pytest.approx(expected, rel=1e-4)
