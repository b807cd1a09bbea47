"""GoogLeNet's arrays as TF-Slim and torchvision name and order them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import tfmodels
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.googlenet.config import GoogLeNetConfig
from tools import cli
from tools.convert.classifiers import NAMINGS
from tools.convert.classifiers import ImageLayout
from tools.convert.classifiers import find_naming
from tools.convert.classifiers import named_as
from tools.convert.classifiers import read_arrays
from tools.convert.classifiers import write_names
from tools.convert.weights import Weights
from trainers.runs import load_run

SLIM, TORCH = ImageLayout.SLIM, ImageLayout.TORCHVISION
SMALL = {"input_shape": (64, 64, 3), "width_multiplier": 0.125, "num_classes": 5}


@pytest.fixture(scope="module", params=[SLIM, TORCH])
def pair(request):
    layout = request.param
    model = tfmodels.build("googlenet", variant=layout.value, **SMALL)
    generator = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(generator.uniform(0.1, 1, variable.shape))
    return layout, {v.path: v.numpy() for v in model.weights}


def shapes(ours):
    return {path: value.shape for path, value in ours.items()}


def places(ours, layout):
    return NAMINGS["googlenet", layout].places(None, shapes(ours))


def named(ours, layout):
    return named_as(ours, places(ours, layout))


def read(theirs, ours, layout):
    return read_arrays(Weights(theirs, "theirs"), places(ours, layout), shapes(ours))


def test_there_and_back(pair):
    layout, ours = pair
    theirs = named(ours, layout)
    assert len(theirs) == len(ours)
    back = read(theirs, ours, layout)
    assert back.keys() == ours.keys()
    for path, value in back.items():
        np.testing.assert_array_equal(value, ours[path])


def test_published_names_and_axes(pair):
    """Arrays that were looked up in both programs, by hand."""
    layout, ours = pair
    theirs = named(ours, layout)
    kernel = ours["3a_branch2_2_3x3_conv/kernel"]
    if layout == SLIM:
        module = "InceptionV1/Mixed_3b/Branch_1/Conv2d_0b_3x3"
        np.testing.assert_array_equal(theirs[f"{module}/weights"], kernel)
        assert f"{module}/BatchNorm/moving_variance" in theirs
        assert not any(name.endswith("gamma") for name in theirs)
        # A slip of theirs that is in every checkpoint.
        assert "InceptionV1/Mixed_5b/Branch_2/Conv2d_0a_3x3/weights" in theirs
        assert "InceptionV1/Mixed_5c/Branch_2/Conv2d_0b_3x3/weights" in theirs
        logits = theirs["InceptionV1/Logits/Conv2d_0c_1x1/weights"]
        np.testing.assert_array_equal(logits[0, 0], ours["logits/kernel"])
        return
    names = (
        "conv1.conv.weight",
        "conv2.bn.running_var",
        "inception5b.branch4.1.bn.bias",
    )
    assert theirs.keys() >= set(names)
    moved = theirs["inception3a.branch2.1.conv.weight"]
    assert moved[3, 2, 0, 1] == kernel[0, 1, 2, 3]
    np.testing.assert_array_equal(theirs["fc.weight"].T, ours["logits/kernel"])
    hidden, flat = ours["aux1_hidden_dense/kernel"], theirs["aux1.fc1.weight"]
    channels = len(hidden) // 16
    for row, column, channel in ((0, 0, 0), (1, 2, 3), (3, 3, channels - 1)):
        place = (row * 4 + column) * channels + channel
        np.testing.assert_array_equal(
            flat[:, channel * 16 + row * 4 + column], hidden[place]
        )


def test_what_is_wrong_is_listed(pair):
    layout, ours = pair
    theirs = named(ours, layout)
    first, second, *_ = theirs
    theirs["misnamed"] = theirs.pop(first)
    theirs[second] = theirs[second][:-1]
    with pytest.raises(DataError) as error:
        read(theirs, ours, layout)
    for words in (f"{first} ", "misnamed has no place", f"{second} has shape"):
        assert words in str(error.value)


def test_background_is_left_out():
    model = tfmodels.build("googlenet", variant="slim", **SMALL)
    ours = {v.path: v.numpy() for v in model.weights}
    theirs = named(ours, SLIM)
    for name in ("weights", "biases"):
        full = f"InceptionV1/Logits/Conv2d_0c_1x1/{name}"
        ends = [(0, 0)] * (theirs[full].ndim - 1)
        theirs[full] = np.pad(theirs[full], [*ends, (1, 0)], constant_values=9)
    back = read(theirs, ours, SLIM)
    np.testing.assert_array_equal(back["logits/kernel"], ours["logits/kernel"])


def test_from_the_command_line_and_back(tmp_path: Path):
    sizes = {
        **{"variant": "slim", "input_shape": (8, 8, 1), "stem": "small"},
        **{"num_classes": 10, "width_multiplier": 0.125},
    }
    model = tfmodels.build("googlenet", **sizes)
    arrays = named({v.path: v.numpy() for v in model.weights}, SLIM)
    np.savez(tmp_path / "theirs.npz", **arrays)
    settings = {
        "model": {"kind": "googlenet", **sizes},
        "objective.auxiliary_weights": {},
    }
    changes = [
        part
        for key, value in settings.items()
        for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    where = ("--layout", "slim", "--workdir", str(tmp_path / "run"), *changes)
    made = CliRunner().invoke(
        cli.app,
        [
            *("convert", "googlenet", str(tmp_path / "theirs.npz")),
            *("googlenet/tiny", *where),
        ],
    )
    assert made.exit_code == 0, made.output
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype(np.float32)
    run = load_run(tmp_path / "run")
    np.testing.assert_array_equal(run.model(images)["logits"], model(images)["logits"])
    again = tmp_path / "again.npz"

    def write(output: Path):
        where = ("--layout", "slim", "--output", str(output))
        return CliRunner().invoke(
            cli.app, ["convert", "names", str(tmp_path / "run"), *where]
        )

    written = write(again)
    assert written.exit_code == 0, written.output
    with np.load(again) as file:
        assert set(file.files) == arrays.keys()
        for name, value in arrays.items():
            np.testing.assert_array_equal(file[name], value)
    before = again.read_bytes()
    with pytest.raises(ConfigError, match="Expected --output to be a new file"):
        write_names(tmp_path / "run", SLIM, again)
    assert again.read_bytes() == before
    with pytest.raises(DataError, match="Cannot write"):
        write_names(tmp_path / "run", SLIM, tmp_path / "nowhere" / "again.npz")


@pytest.mark.parametrize(
    ("layout", "path", "key"),
    [
        (SLIM, "aux1_conv/kernel", "heads"),
        (SLIM, "aux2_logits/bias", "heads"),
        (TORCH, "aux3_conv/kernel", "heads"),
        (SLIM, "3c_branch1_1_1x1_conv/kernel", "stages"),
        (TORCH, "6a_branch1_1_1x1_conv/kernel", "stages"),
        (SLIM, "conv9_conv/kernel", "stem"),
        (TORCH, "conv9_bn/beta", "stem"),
        (SLIM, "conv1_bn/gamma", "batch_norm.scale"),
    ],
)
def test_layers_that_theirs_lacks_are_named(layout, path, key):
    layer = path.partition("/")[0]
    words = rf"model\.{key}: the layer {layer} has no name in the layout {layout}"
    with pytest.raises(ConfigError, match=words):
        places({path: np.zeros((1, 1, 4, 4))}, layout)


def test_another_variant_is_refused():
    config = GoogLeNetConfig.parse({"kind": "googlenet", "variant": "bn"})
    with pytest.raises(
        ConfigError, match=r"model\.variant: slim expected, bn received"
    ):
        find_naming(config, SLIM, Path("theirs.npz"))
    with pytest.raises(
        ConfigError, match=r"Received model\.kind: googlenet and --layout timm"
    ):
        find_naming(config, ImageLayout.TIMM, Path("theirs.npz"))
