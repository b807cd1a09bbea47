"""Detectors on any endpoints; dilation in place of strides sees the same."""

import keras
import numpy as np
import pytest

import tfmodels
from tfmodels.detection.config import DetectorConfig
from tfmodels.detection.model import grid_of
from tfmodels.errors import ConfigError

# Without a pool in its modules: pools are not dilated.
MODULE = {"pass_through": 16, "group_3x3": [16, 32]}
BACKBONE = {
    "kind": "googlenet",
    "variant": "bn",
    "input_shape": [32, 32, 1],
    "width_multiplier": 0.25,
    "stages": [[MODULE], [MODULE], [MODULE]],
    "heads": [],
}


def test_cells_of_a_model_are_those_of_its_maps() -> None:
    settings = {"num_classes": 3, "levels": ["3a", "4a", "pool"], "head_filters": 8}
    model = tfmodels.build("detector", backbone=BACKBONE, **settings)
    assert model.output["logits"].shape == (None, 16 + 4 + 1, 3)
    assert model.output["offsets"].shape == (None, 16 + 4 + 1, 4)
    config = {"kind": "detector", "backbone": BACKBONE, **settings}
    grid = grid_of(DetectorConfig.parse(config))
    assert grid.cells.shape == (21, 4)
    np.testing.assert_allclose(grid.cells[16], [0.25, 0.25, 2.0, 2.0])
    # What lies above the maps is absent, and cells start sure that nothing is there.
    assert list(model.endpoints)[-1] == "pool"
    scores = model(np.zeros([1, 32, 32, 1]))["logits"]
    assert np.all(1 / (1 + np.exp(-scores)) < 0.05)


def test_levels_must_be_endpoints() -> None:
    with pytest.raises(ConfigError, match=r"3a, .*pool\. Received '6z'"):
        tfmodels.build("detector", backbone=BACKBONE, num_classes=3, levels=["6z"])
    with pytest.raises(ConfigError, match=r"Expected levels: \[pool\]"):
        tfmodels.build(
            "detector",
            backbone=BACKBONE,
            num_classes=3,
            levels=["3a"],
            classes="exclusive",
        )


def test_a_smaller_output_stride_computes_the_same_at_more_positions() -> None:
    values = {key: value for key, value in BACKBONE.items() if key != "kind"}
    strided = tfmodels.build("googlenet", **values, num_classes=3)
    dense = tfmodels.build("googlenet", **values, num_classes=3, output_stride=8)
    assert strided.pyramid().keys() == {2, 4, 8, 16, 32}
    assert dense.pyramid().keys() == {2, 4, 8}
    keras.utils.set_random_seed(3)
    dense.set_weights(strided.get_weights())
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype(np.float32)
    few, many = (model.features()(image) for model in (strided, dense))
    # Windows of 3 with stride 2 have their centres at the odd positions. A second pool
    # sees less than with a stride: pools are not dilated.
    np.testing.assert_allclose(few["4a"], many["4a"][:, 1::2, 1::2], atol=1e-5)
    assert np.std(few["4a"]) > 0.01


@pytest.mark.parametrize("name", ["inception_v4", "inception_resnet_v2"])
def test_maps_of_the_inception_family_stay_large(name: str) -> None:
    settings = {
        "input_shape": [75, 75, 3],
        "padding": "same",
        "width_multiplier": 0.01,
        "block_counts": [1, 1, 1],
    }
    strided = tfmodels.build(name, **settings)
    dense = tfmodels.build(name, **settings, output_stride=16)
    sides = [
        [model.endpoints[block].shape[1] for block in ("a1", "b1", "c1")]
        for model in (strided, dense)
    ]
    assert sides == [[10, 5, 3], [10, 5, 5]]
    assert dense.get_layer("c1_branch2_2_1x3_conv").dilation_rate == (2, 2)
    assert [w.shape for w in dense.weights] == [w.shape for w in strided.weights]
    with pytest.raises(ConfigError, match=r"one of 8, 16, 32\. Received 12"):
        tfmodels.build(name, output_stride=12)
