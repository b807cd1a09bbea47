"""`tfmodels describe` tells apart what the public confuses."""

import pytest
from typer.testing import CliRunner

from tfmodels.errors import ConfigError
from tools.cli import app
from tools.describe import subnetworks

SMALL = [
    "input_shape=[75, 75, 3]",
    "num_classes=10",
    "width_multiplier=0.125",
    "auxiliary_head=null",
]


def test_released_and_published_inception_resnet_v2_differ_as_documented() -> None:
    released = subnetworks("inception_resnet_v2", SMALL)
    paper = subnetworks("inception_resnet_v2", [*SMALL, "wiring=paper"])
    counts = [
        [
            sum(name[0] == block and name[1:].isdigit() for name in parts)
            for block in "abc"
        ]
        for parts in (released, paper)
    ]
    assert counts == [[10, 20, 10], [5, 10, 5]]
    assert "mixed" in released
    assert "mixed" not in paper
    assert "conv6" in released  # the 1x1 convolution before the pool
    assert "conv6" not in paper
    assert released["reduction_a"].shape != paper["reduction_a"].shape


def test_parts_add_up_to_the_model() -> None:
    import tfmodels

    parts = subnetworks("inception_v4", [*SMALL, "block_counts=[1, 1, 1]"])
    model = tfmodels.build(
        "inception_v4",
        input_shape=[75, 75, 3],
        num_classes=10,
        width_multiplier=0.125,
        auxiliary_head=None,
        block_counts=[1, 1, 1],
    )
    assert sum(part.weights for part in parts.values()) == model.count_params()
    assert parts["logits"].shape == "10"
    # Convolutions of 3 with strides 2, 1, 1 see 3, 7 and 11 pixels.
    fields = [parts[name].receptive_field for name in ("conv1", "conv2", "conv3")]
    assert fields == [3, 7, 11]
    assert parts["logits"].receptive_field is None


def test_layers_and_resolutions_are_listed() -> None:
    options = [part for change in SMALL for part in ("--set", change)]
    options += ["--set", "block_counts=[1, 1, 1]"]
    listed = CliRunner().invoke(app, ["describe", "inception_v4", *options, "--layers"])
    assert "a1_branch1_1_1x1_conv" in listed.output
    assert "rows of the map" in listed.output
    compared = ["describe", "inception_v4", "--layers", "--against", "googlenet"]
    refused = CliRunner().invoke(app, compared)
    assert isinstance(refused.exception, ConfigError)


def test_only_image_classifiers_have_subnetworks() -> None:
    with pytest.raises(ConfigError, match="Received 'transformer'"):
        subnetworks("transformer", [])
