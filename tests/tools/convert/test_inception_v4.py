"""Inception-v4 and Inception-ResNet-v2 as TF-Slim, timm and Keras name them."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import tfmodels
from tests.tools.convert import their_inception
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.inception_v4.config import InceptionResNetV2Config
from tools import cli
from tools.convert.classifiers import NAMINGS
from tools.convert.classifiers import ImageLayout
from tools.convert.classifiers import find_naming
from tools.convert.classifiers import named_as
from tools.convert.classifiers import read_arrays
from tools.convert.keras_applications import keras_weights
from tools.convert.keras_applications import read_keras
from tools.convert.weights import Weights

SLIM, TIMM, KERAS = ImageLayout.SLIM, ImageLayout.TIMM, ImageLayout.KERAS
SIDE = 107
COUNTS = {"inception_v4": (2, 1, 1), "inception_resnet_v2": (1, 2, 2)}
PAIR = ((0, "kernel"), (1, "bias"))
NORM = [
    (n, f"batch_normalization/{v}")
    for n, v in enumerate(("beta", "moving_mean", "moving_variance"))
]
CASES = [
    ("inception_v4", SLIM),
    ("inception_v4", TIMM),
    ("inception_resnet_v2", SLIM),
    ("inception_resnet_v2", TIMM),
    ("inception_resnet_v2", KERAS),
]


@pytest.fixture(scope="module")
def models():
    """Both networks, with all that any of theirs has, and weights drawn."""
    made = {}
    rng = np.random.default_rng(0)
    for kind, counts in COUNTS.items():
        model = tfmodels.build(
            kind,
            input_shape=(SIDE, SIDE, 3),
            width_multiplier=0.125,
            num_classes=5,
            block_counts=counts,
        )
        for variable in model.weights:
            if variable.path.endswith("kernel"):
                scale = (2 / np.prod(variable.shape[:-1])) ** 0.5
                variable.assign(rng.normal(0, scale, variable.shape))
            else:
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        made[kind] = model
    return made


def variables(model, layout):
    """Of the model as theirs has it: factors, or a side classifier, or neither."""
    left_out = {SLIM: "/gamma$", TIMM: "^aux", KERAS: "/gamma$|^aux"}[layout]
    found = {v.path: v.numpy() for v in model.weights}
    return {p: value for p, value in found.items() if not re.search(left_out, p)}


def placed(model, layout):
    ours = variables(model, layout)
    shapes = {path: value.shape for path, value in ours.items()}
    places = NAMINGS[model.config.kind, layout].places(model.config, shapes)
    return ours, shapes, places


@pytest.mark.parametrize(("kind", "layout"), CASES)
def test_there_and_back_and_what_is_wrong(models, kind, layout):
    ours, shapes, places = placed(models[kind], layout)
    theirs = named_as(ours, places)
    assert len(theirs) == len(ours)
    back = read_arrays(Weights(theirs, "theirs"), places, shapes)
    for path, value in ours.items():
        np.testing.assert_array_equal(back[path], value)
    elsewhere = {
        place.other_name or place.name: theirs[place.name] for place in places.values()
    }
    again = read_arrays(Weights(elsewhere, "theirs"), places, shapes)
    for path, value in ours.items():
        np.testing.assert_array_equal(again[path], value)
    first, second, *_ = theirs
    theirs["misnamed"] = theirs.pop(first)
    theirs[second] = theirs[second][:-1]
    with pytest.raises(DataError) as error:
        read_arrays(Weights(theirs, "theirs"), places, shapes)
    for words in (f"{first} ", "misnamed has no place", f"{second} has shape"):
        assert words in str(error.value)


def test_published_names(models):
    """Names that were looked up in their programs, by hand."""
    looked_up = {
        ("inception_v4", SLIM): """Conv2d_2b_3x3/BatchNorm/beta
            Mixed_3a/Branch_1/Conv2d_0a_3x3/weights
            Mixed_4a/Branch_1/Conv2d_0c_7x1/weights
            Mixed_4a/Branch_1/Conv2d_1a_3x3/BatchNorm/moving_mean
            Mixed_5a/Branch_0/Conv2d_1a_3x3/weights
            Mixed_5c/Branch_3/Conv2d_0b_1x1/weights
            Mixed_6a/Branch_1/Conv2d_0b_3x3/weights
            Mixed_6a/Branch_1/Conv2d_1a_3x3/weights
            Mixed_6b/Branch_2/Conv2d_0b_7x1/weights
            Mixed_6b/Branch_2/Conv2d_0e_1x7/weights
            Mixed_7a/Branch_1/Conv2d_1a_3x3/weights
            Mixed_7b/Branch_1/Conv2d_0b_1x3/weights
            Mixed_7b/Branch_1/Conv2d_0c_3x1/weights
            Mixed_7b/Branch_2/Conv2d_0b_3x1/weights
            Mixed_7b/Branch_2/Conv2d_0c_1x3/weights
            Mixed_7b/Branch_2/Conv2d_0d_1x3/weights
            Mixed_7b/Branch_2/Conv2d_0e_3x1/BatchNorm/moving_variance
            AuxLogits/Conv2d_1b_1x1/weights AuxLogits/Conv2d_2a/weights
            AuxLogits/Aux_logits/biases Logits/Logits/weights""",
        ("inception_resnet_v2", SLIM): """Conv2d_3b_1x1/weights Conv2d_4a_3x3/weights
            Mixed_5b/Branch_0/Conv2d_1x1/weights Mixed_5b/Branch_1/Conv2d_0b_5x5/weights
            Mixed_5b/Branch_3/Conv2d_0b_1x1/weights
            Repeat/block35_1/Branch_0/Conv2d_1x1/weights
            Repeat/block35_1/Branch_2/Conv2d_0c_3x3/weights
            Repeat/block35_1/Conv2d_1x1/weights Repeat/block35_1/Conv2d_1x1/biases
            Mixed_6a/Branch_0/Conv2d_1a_3x3/weights
            Repeat_1/block17_2/Branch_1/Conv2d_0b_1x7/weights
            Mixed_7a/Branch_0/Conv2d_0a_1x1/weights
            Mixed_7a/Branch_2/Conv2d_1a_3x3/weights
            Repeat_2/block8_1/Branch_1/Conv2d_0c_3x1/weights
            Block8/Branch_0/Conv2d_1x1/BatchNorm/beta Block8/Conv2d_1x1/biases
            Conv2d_7b_1x1/weights AuxLogits/Conv2d_2a_5x5/weights
            AuxLogits/Logits/weights Logits/Logits/biases""",
        ("inception_resnet_v2", KERAS): """conv2d/kernel batch_normalization/beta
            conv2d_11/kernel batch_normalization_11/moving_variance
            block35_1_conv/bias block17_2_conv/kernel block8_2_conv/kernel
            conv_7b/kernel conv_7b_bn/moving_mean predictions/bias""",
    }
    roots = {
        ("inception_v4", SLIM): "InceptionV4/",
        ("inception_resnet_v2", SLIM): "InceptionResnetV2/",
    }
    for (kind, layout), text in looked_up.items():
        ours, _, places = placed(models[kind], layout)
        root = roots.get((kind, layout), "")
        wanted = {root + name for name in text.split()}
        assert wanted <= named_as(ours, places).keys()


@pytest.mark.parametrize("kind", COUNTS)
def test_a_computation_of_timms_definition(models, kind):
    """Names, axes, orders of kernels, epsilon, borders of means, the last block."""
    model = models[kind]
    ours, shapes, places = placed(model, TIMM)
    rng = np.random.default_rng(1)
    theirs = {
        name: array + rng.uniform(0, 0.1, array.shape)
        for name, array in named_as(ours, places).items()
    }
    compute = getattr(their_inception, kind)
    image = rng.uniform(-1, 1, (SIDE, SIDE, 3)).astype(np.float32)
    expected = compute(theirs, image.transpose(2, 0, 1), COUNTS[kind])

    def difference(arrays):
        arrays = {"features.0.bn.num_batches_tracked": np.array(7), **arrays}
        if kind != "inception_v4":
            arrays = {
                name.replace("features.0", "conv2d_1a"): x for name, x in arrays.items()
            }
        read = read_arrays(Weights(arrays, "theirs"), places, shapes)
        for variable in model.weights:
            if variable.path in read:
                variable.assign(read[variable.path])
        received = model(image[None], training=False)["logits"][0].numpy()
        return np.abs(received - expected).max() / np.ptp(expected)

    assert difference(theirs) < 1e-4
    # Controls: a kernel turned by a quarter, and Cadene's name of the class scores
    # with a class more, before the others.
    part = "4.branch1.1" if kind == "inception_v4" else "repeat_1.0.branch1.1"
    name = next(name for name in theirs if f"{part}.conv" in name)
    assert theirs[name].shape[2:] == (1, 7)
    turned = theirs[name][..., ::-1]
    assert difference({**theirs, name: turned}) > 1e-3
    with pytest.raises(DataError, match=re.escape(f"{name} has shape")):
        difference({**theirs, name: theirs[name].transpose(0, 1, 3, 2)})
    scores = [name for name in theirs if re.match(r"last_linear|classif", name)]
    assert len(scores) == 2
    for name in scores:
        array = theirs.pop(name)
        end = name.rpartition(".")[2]
        theirs[f"last_linear.{end}"] = np.concatenate([9 + array[:1], array])
    assert difference(theirs) < 1e-4


def test_what_is_wired_otherwise_is_refused(models):
    shapes = {"aux_conv/kernel": (1, 1, 8, 8)}
    for kind, layout in (("inception_v4", TIMM), ("inception_resnet_v2", KERAS)):
        with pytest.raises(
            ConfigError, match=r"model\.auxiliary_head: the layer aux_co"
        ):
            NAMINGS[kind, layout].places(models[kind].config, shapes)
    where = ("inception_v4/tiny", "--layout", "timm", "--workdir", "nowhere")
    made = CliRunner().invoke(cli.app, ["convert", "inception_v4", "a.npz", *where])
    assert isinstance(made.exception, ConfigError)
    for words in ("stem: standard expected, small", "padding: valid expected, same"):
        assert f"model.{words} received" in str(made.exception)
    config = InceptionResNetV2Config.parse({"wiring": "paper"})
    with pytest.raises(ConfigError, match=r"model\.wiring: released expected"):
        find_naming(config, SLIM, Path("theirs.npz"))


def test_files_that_keras_writes(tmp_path):
    layers = keras.layers
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(2, 1, use_bias=False)(image)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.Conv2D(2, 1, name="block35_1_conv")(x)
    x = layers.Dense(2, name="predictions")(layers.Flatten()(x))
    model = keras.Model(image, x)
    for number, variable in enumerate(model.weights):
        variable.assign(np.full(variable.shape, number))
    model.compile("adam", "mse")
    by_name = {v.path: v.numpy() for v in model.weights}
    np.savez(tmp_path / "live.npz", **by_name)
    model.save(tmp_path / "whole.keras")
    model.save(tmp_path / "old.h5")
    model.save_weights(tmp_path / "new.weights.h5")
    expected = keras_weights(by_name, "live").arrays
    assert set(expected) == {
        *("conv2d/kernel", "block35_1_conv/kernel", "block35_1_conv/bias"),
        *(f"batch_normalization/{n}" for n in ("beta", "moving_mean")),
        *("batch_normalization/moving_variance", "predictions/kernel"),
        "predictions/bias",
    }
    found = read_keras(tmp_path / "live.npz").arrays
    assert found.keys() == expected.keys()
    for path, array in expected.items():
        np.testing.assert_array_equal(found[path], array)
    places = {
        **{"layers/conv2d/vars/0": "conv2d/kernel"},
        **{f"layers/conv2d_1/vars/{n}": f"block35_1_conv/{v}" for n, v in PAIR},
        **{f"layers/batch_normalization/vars/{n}": norm for n, norm in NORM},
        **{f"layers/dense/vars/{n}": f"predictions/{v}" for n, v in PAIR},
    }
    for file in ("whole.keras", "old.h5", "new.weights.h5"):
        found = read_keras(tmp_path / file).arrays
        assert found.keys() == places.keys()
        for place, path in places.items():
            np.testing.assert_array_equal(found[place], expected[path])
    (tmp_path / "whole.keras").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"Expected a \.h5 or \.keras file"):
        read_keras(tmp_path / "whole.keras")
