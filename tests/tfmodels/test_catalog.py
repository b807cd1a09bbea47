"""The table of models and the two functions users call."""

import subprocess
import sys

import pytest

import tfmodels
from tfmodels import catalog
from tfmodels.classification.config import ImageClassifierConfig
from tfmodels.config import Config
from tfmodels.errors import ConfigError

IMAGE_CLASSIFIERS = [
    name
    for name, entry in catalog.MODELS.items()
    if issubclass(entry.config, ImageClassifierConfig)
]


def test_names_of_models():
    assert tfmodels.models() == (
        "googlenet",
        "inception_v4",
        "inception_resnet_v1",
        "inception_resnet_v2",
        "detector",
        "amoebanet",
        "transformer",
        "acoustic_dnn",
        "acoustic_lstm",
        "acoustic_tdnn",
        "gnmt",
        "las",
        "tacotron",
        "wavernn",
    )


@pytest.mark.parametrize("name", tfmodels.models())
def test_kind_is_the_name_and_defaults_survive_a_round_trip(name):
    backbone = {"kind": "googlenet"}
    detector = {"backbone": backbone, "num_classes": 3, "levels": ["5b"]}
    required = {"detector": detector}
    config = catalog.find(name).config.parse(required.get(name, {}))
    assert config.plain()["kind"] == name
    assert type(config).parse(config.plain()) == config


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGE_CLASSIFIERS)
def test_built_image_classifier_carries_its_name_and_config(name):
    model = tfmodels.build(
        name, num_classes=3, input_shape=[75, 75, 3], width_multiplier=0.05
    )
    assert model.name == name
    assert model.input.name == "image"
    assert model.input.dtype == "float32"
    assert model.config.num_classes == 3
    assert tuple(model.output["logits"].shape) == (None, 3)


def test_unknown_model_suggests_the_similar_one():
    with pytest.raises(ConfigError, match=r"Did you mean googlenet\?"):
        tfmodels.build("goglenet")


def test_unknown_field_is_an_error():
    with pytest.raises(ConfigError, match="num_clases"):
        tfmodels.build("googlenet", num_clases=10)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("googlenet", "num_classes", 0),
        ("googlenet", "num_classes", "10"),
        ("googlenet", "input_shape", [224, 224]),
        ("googlenet", "variant", "caffe"),
        ("googlenet", "dropout_rate", 1.0),
        ("googlenet", "width_multiplier", 0),
        ("googlenet", "heads", [{"attach": "6a"}]),
        ("googlenet", "stages", [[{"pass_through": 64}]]),
        ("inception_v4", "input_shape", [74, 299, 3]),
        ("inception_v4", "block_counts", [4, 7]),
        ("inception_v4", "batch_norm", {"momentum": 1.0}),
        ("inception_resnet_v2", "residual_scales", [0.1, 0.1, -0.1]),
    ],
)
def test_wrong_values_are_errors_that_name_the_field(name, field, value):
    with pytest.raises(ConfigError, match=field):
        tfmodels.build(name, **{field: value})


@pytest.mark.parametrize("name", ["googlenet", "inception_resnet_v2"])
def test_one_mistake_is_reported_once(name):
    with pytest.raises(ConfigError) as caught:
        tfmodels.build(name, num_classes=0)
    assert len(str(caught.value).splitlines()) == 1


def test_only_the_configuration_of_a_model_can_be_built():
    with pytest.raises(ConfigError, match="Received: Config"):
        catalog.build(Config())


def test_configurations_load_without_tensorflow():
    code = (
        "import sys, tfmodels;"
        "tfmodels.models();"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
