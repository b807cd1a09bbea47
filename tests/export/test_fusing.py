"""Fusing parallel 1x1 convolutions: equal answers, fewer of them, integers too."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfmodels
from export.flatbuffer import count_operators
from export.folding import fold
from export.fusing import fuse
from export.interfaces import Job
from export.lite_runtime import LiteProgram
from export.lite_runtime import StagedLiteProgram
from export.presets import PRESETS
from export.stages import write_stages
from export.tflite import write_tflite
from tests.export.test_folding import largest_difference
from tests.export.test_folding import shake
from tests.export.test_stages import job
from tests.trainers.small import SMALL
from tfmodels.classification.pixels import normalize_pixels
from tfmodels.errors import ConfigError
from trainers.configuration import read_yaml
from trainers.data.images.arrays import load_digits

layers = keras.layers
FUSED = {"fuse_1x1": True, "calibration_examples": 20}
NETWORKS = {
    # 57 convolutions, 39 when three of each of nine modules are one.
    "googlenet": ({"variant": "bn", "input_shape": (64, 64, 3)}, 18),
    # stem2, a1, b1, c1 and the second reduction: 2, 3, 3, 3, 2 are one.
    "inception_v4": ({"input_shape": (75, 75, 3), "block_counts": (1, 1, 1)}, 8),
    # mixed, a1, b1, c1 and the second reduction: 3, 3, 2, 2, 3 are one.
    "inception_resnet_v2": ({"input_shape": (75, 75, 3), "block_counts": (1, 1, 1)}, 8),
}


def num_convolutions(model: keras.Model) -> int:
    return sum(isinstance(layer, layers.Conv2D) for layer in model.layers)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_published_networks_keep_their_answers(kind: str):
    changes, saved = NETWORKS[kind]
    model = tfmodels.build(kind, width_multiplier=0.125, num_classes=5, **changes)
    model = model.deploy()
    shake(model)
    folded = fold(model)
    fused = fuse(folded)
    assert num_convolutions(folded) - num_convolutions(fused) == saved
    assert kind != "googlenet" or num_convolutions(fused) == 39
    x = np.random.default_rng(1).normal(size=(2, *model.input_shape[1:]))
    pair = [lambda x, net=net: net(x)["logits"] for net in (folded, fused)]
    assert largest_difference(*pair, x.astype(np.float32)) < 1e-6


def small(folder: Path, **changes) -> Job:
    """An export of a network of one module, which has two of them."""
    values = read_yaml(SMALL, "small.yaml")
    values["model"] |= {"stages": values["model"]["stages"][:1], "heads": []}
    values["objective"]["auxiliary_weights"] = {}
    made = job(folder, values, export=changes)
    shake(made.model)
    return made


def images(count: int) -> dict[str, np.ndarray]:
    return {"image": normalize_pixels(load_digits("train").images[:count], "inception")}


@pytest.mark.parametrize(
    ("numbers", "bound"),
    [
        ("float32", 1e-5),
        ("int8", 0.02),
        pytest.param("int16x8", 0.01, marks=pytest.mark.slow),
    ],
)
def test_files_compute_the_same_with_fewer_convolutions(
    tmp_path, numbers: str, bound: float
):
    fused = small(tmp_path, **FUSED)
    write_tflite(fused, numbers)  # and makes sure of int8 that all are integers
    expected = fused.model(images(20)["image"])["logits"].numpy()
    program = LiteProgram(tmp_path / "model.tflite")
    received = program("classify", images(20))["logits"]
    assert np.abs(received - expected).max() < bound * np.ptp(expected)
    operators = count_operators((tmp_path / "model.tflite").read_bytes())
    assert operators["CONV_2D"] == num_convolutions(fused.model) - 1


@pytest.mark.slow
def test_a_chain_of_files_is_fused(tmp_path):
    (tmp_path / "plain").mkdir()
    plain, fused = small(tmp_path / "plain"), small(tmp_path, **FUSED, stages=2)
    fused.model.set_weights(plain.model.get_weights())
    write_tflite(plain, "float32")
    write_stages(fused, "float32")
    program = LiteProgram(tmp_path / "plain" / "model.tflite")
    chain = StagedLiteProgram(tmp_path / "stages")
    expected, received = (
        each("classify", images(1))["logits"] for each in (program, chain)
    )
    assert np.abs(received - expected).max() < 1e-5 * np.ptp(expected)
    before = program.describe("model").operators["CONV_2D"]
    assert chain.describe("stages").operators["CONV_2D"] == before - 1


def two_biases(x):
    return [layers.Conv2D(2, 1)(x), layers.Conv2D(3, 1, use_bias=False)(x)]


def before_relu_and_before_a_sum(x):
    paths = [layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(x)]
    return [*(layers.ReLU()(path) for path in paths), layers.Add()(paths)]


def relu_of_three(x):
    paths = [layers.Conv2D(size, 1, padding="same")(x) for size in (2, 3, 1)]
    return [layers.Activation("relu")(path) for path in paths]


def with_an_output_between(x):
    paths = [layers.Conv2D(size, 1)(x) for size in (2, 3, 1)]
    relus = [layers.Activation("relu")(path) for path in paths]
    return [*relus, paths[1]]


def with_strides(x):
    return [layers.Conv2D(size, 1, 2, "same")(x) for size in (2, 3)]


@pytest.mark.parametrize(
    ("graph", "left"),
    [
        (two_biases, 1),
        (before_relu_and_before_a_sum, 1),
        (relu_of_three, 1),
        (with_an_output_between, 2),
        (with_strides, 1),
    ],
)
def test_what_reads_one_input_is_one(graph, left: int):
    image = keras.Input((5, 5, 4))
    model = keras.Model(image, graph(image))
    assert compare(model) == left


def other_inputs(x):
    y = layers.ReLU()(x)
    return [layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(y)]


def other_kernels(x):
    return [layers.Conv2D(2, 1)(x), layers.Conv2D(2, 3, padding="same")(x)]


def other_strides(x):
    return [layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1, 2)(x)]


def other_activations(x):
    return [layers.Conv2D(2, 1, activation=name)(x) for name in ("tanh", "relu")]


def in_groups(x):
    return [layers.Conv2D(2, 1, groups=2)(x) for _ in range(2)]


def of_other_classes(x):
    return [layers.Conv2D(2, 1)(x), layers.DepthwiseConv2D(1)(x)]


def applied_twice(x):
    conv = layers.Conv2D(2, 1)
    return [conv(x), conv(layers.ReLU()(x)), layers.Conv2D(2, 1)(x)]


@pytest.mark.parametrize(
    "graph",
    [
        *(other_inputs, other_kernels, other_strides, other_activations),
        *(in_groups, of_other_classes, applied_twice),
    ],
)
def test_what_differs_stays(graph):
    image = keras.Input((5, 5, 4))
    model = keras.Model(image, graph(image))
    assert fuse(model) is model


def compare(model: keras.Model) -> int:
    """Convolutions left when fused, once the answers are seen to be equal."""
    before = [weights.copy() for weights in model.get_weights()]
    fused = fuse(model)
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:]))
    for expected, received in zip(model(x), fused(x), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return num_convolutions(fused)


def test_where_it_does_not_apply_it_is_refused(tmp_path):
    able = {name for name, preset in PRESETS.items() if preset.fuses}
    assert "tflite_int8" in able
    assert "saved_model" not in able
    for name, preset in PRESETS.items():
        preset.check(name, fuse_1x1=False, learned_ranges=False)
        if name not in able:
            with pytest.raises(ConfigError, match=rf"export\.fuse_1x1: .*'{name}'\."):
                preset.check(name, fuse_1x1=True, learned_ranges=False)
    module = {"group_3x3": [96, 128]}
    values = read_yaml(SMALL, "small.yaml")
    values["model"] |= {"stages": [[module]], "heads": []}
    values["objective"]["auxiliary_weights"] = {}
    with pytest.raises(ConfigError, match="has nothing to fuse"):
        write_tflite(job(tmp_path, values, export=FUSED), "float32")
