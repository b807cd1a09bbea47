"""Networks rebuilt in tf-keras: the same bits, the same names, the same answers."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tfmodels
from tests.export.model_optimization import elsewhere

NARROW: dict[str, Any] = {"width_multiplier": 0.125, "num_classes": 10}
SMALL: dict[str, Any] = {**NARROW, "input_shape": (8, 8, 1), "stem": "small"}
POOL = {"pool_size": 3, "pool_strides": 1, "pool_padding": "same"}
HEADS = [{"attach": "3a", **POOL}]
STAGES = [[{"pass_through": 64, "group_3x3": [96, 128], "pool_projection": 32}]]
MODULE: dict[str, Any] = {"stages": STAGES, "heads": HEADS}
INCEPTION: dict[str, Any] = {
    **SMALL,
    "padding": "same",
    "block_counts": (1, 1, 1),
    "auxiliary_head": {**POOL, "hidden": None},
}
LARGE: dict[str, Any] = {**NARROW, "input_shape": (75, 75, 3)}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bn": ("googlenet", {**SMALL, **MODULE, "variant": "bn"}),
    "paper": ("googlenet", {**LARGE, **MODULE, "variant": "paper"}),
    "torchvision": (
        "googlenet",
        {**LARGE, **MODULE, "variant": "torchvision", "heads": []},
    ),
    "v4": ("inception_v4", INCEPTION),
    "resnet_v2": ("inception_resnet_v2", {**INCEPTION, "wiring": "paper"}),
    "resnet_v1": (
        "inception_resnet_v1",
        {**LARGE, "padding": "same", "block_counts": (1, 1, 1), "auxiliary_head": None},
    ),
}


def drawn(kind: str, settings: dict[str, Any]) -> keras.Model:
    """A model whose normalisation has statistics that differ between channels."""
    model = tfmodels.build(kind, **settings)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if not variable.path.endswith("kernel"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


def images(model: keras.Model) -> np.ndarray:
    shape = (3, *model.inputs[0].shape[1:])
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def assert_same(folder: Path, model: keras.Model) -> None:
    with np.load(folder / "back.npz") as back:
        assert sorted(back) == sorted(variable.path for variable in model.weights)
        for variable in model.weights:
            np.testing.assert_array_equal(back[variable.path], variable.numpy())
    expected = model(np.load(folder / "images.npy"), training=False)
    found = elsewhere.answers(folder)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        largest = np.max(np.abs(found[name] - values.numpy()))
        assert largest <= 2e-6 * np.ptp(values.numpy()), name
    names = json.loads((folder / "names.json").read_text())
    assert sorted(names) == sorted(layer.name for layer in model.layers)


def test_a_residual_network(tmp_path: Path):
    there_and_back(tmp_path, "resnet_v2")


@pytest.mark.slow
def test_narrow_networks(tmp_path: Path):
    there_and_back(tmp_path, *CASES)


def there_and_back(tmp_path: Path, *cases: str) -> None:
    models = {name: drawn(*CASES[name]) for name in cases}
    for name, model in models.items():
        elsewhere.write(tmp_path / name, model, images(model))
    elsewhere.rebuild(*(tmp_path / name for name in models))
    for name, model in models.items():
        assert_same(tmp_path / name, model)


@pytest.mark.slow
def test_a_full_network(tmp_path: Path):
    model = drawn("inception_resnet_v2", {})
    elsewhere.write(tmp_path / "one", model, images(model))
    elsewhere.rebuild(tmp_path / "one")
    assert_same(tmp_path / "one", model)
