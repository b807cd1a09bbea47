"""Packed weights of recurrent, convolutional and own layers, against rounded ones."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from export.optimal_clipping.figures import kept_of
from export.optimal_clipping.walking import quantize_model
from export.optimal_clipping.walking import round_model
from tests.export import small as image_classifier
from tests.tfmodels.las import small as las
from tests.trainers.translating import numbers
from tfmodels.acoustic.config import AcousticLSTMConfig
from tfmodels.catalog import build
from tfmodels.quantization.packed_model import PackedMatrix
from tfmodels.quantization.packed_model import storable
from tfmodels.quantization.policy import default_policy

Made = tuple[keras.Model, Any]


def translator(tied: bool = False) -> Made:
    tokens = np.random.default_rng(0).integers(1, 300, (2, 5)).astype(np.int32)
    changes = {"tie_softmax": tied, "share_embedding": tied}
    return build(numbers(model=changes).model), {"source": tokens, "target": tokens}


def recogniser() -> Made:
    return las.build(), las.batch()


def classifier() -> Made:
    pixels = np.random.default_rng(0).random((2, 8, 8, 1)).astype(np.float32)
    return image_classifier.build(), pixels


def acoustic() -> Made:
    config = AcousticLSTMConfig.parse(
        {"feature_dim": 6, "num_pdfs": 5, "num_cells": 8, "projection_dim": 4}
    )
    features = np.random.default_rng(0).random((2, 9, 6), np.float32)
    return build(config), {"features": features, "lengths": np.array([9, 7], np.int32)}


def slow(make: Callable[[], Made]) -> Any:
    return pytest.param(make, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "make", [translator, recogniser, slow(classifier), slow(acoustic)]
)
def test_weights_of_any_layer_are_packed_saved_and_read_back(
    make: Callable[[], Made], tmp_path
):
    model, inputs = make()
    plain, _ = make()
    plain.set_weights(model.get_weights())
    before = keras.tree.flatten(model(inputs))
    policy = default_policy(4)
    figures = quantize_model(model, policy)
    assert [layer.path for layer in round_model(plain, policy)] == [
        layer.path for layer in figures
    ]
    after = [np.asarray(x) for x in keras.tree.flatten(model(inputs))]
    for mine, rounded in zip(after, keras.tree.flatten(plain(inputs)), strict=True):
        np.testing.assert_allclose(mine, rounded, rtol=1e-4, atol=1e-5)
    assert any(np.abs(b - a).max() > 1e-4 for b, a in zip(before, after, strict=True))
    # All of the matrices, not only a few.
    packed = sum(layer.rows * layer.width for layer in figures)
    floats = sum(np.prod(kept.shape) for kept in kept_of(model))
    assert packed > 3 * floats, [kept.path for kept in kept_of(model)]
    storable(model).save(tmp_path / "clipped.keras")
    again = keras.saving.load_model(tmp_path / "clipped.keras", safe_mode=True)
    for mine, read in zip(after, keras.tree.flatten(again(inputs)), strict=True):
        np.testing.assert_array_equal(mine, read)


def test_a_table_of_three_readers_is_packed_once():
    model, _ = translator(tied=True)
    figures = quantize_model(model, default_policy(4))
    tables = [layer for layer in figures if layer.rows == 300]
    assert [(layer.path, layer.rule.bits) for layer in tables] == [
        ("gnmt/source_embedding", 8)
    ]
    held = model.source_embedding
    assert isinstance(held, PackedMatrix)
    assert held is model.target_embedding
    assert held is model.softmax
