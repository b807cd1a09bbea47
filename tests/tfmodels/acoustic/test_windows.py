"""Frames in windows of their own are scored as in their utterances."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.acoustic.windows import windows

SIZES = {"feature_dim": 4, "num_pdfs": 7, "cross_entropy_head": True}
DNN = {"hidden_dims": [6], "left_context": 2, "right_context": 1}


@pytest.mark.parametrize(
    ("name", "changes", "frames", "width"),
    [
        ("acoustic_dnn", DNN, 1, 4),
        ("acoustic_tdnn", {"hidden_dim": 6}, 3, 27),
        ("acoustic_tdnn", {"hidden_dim": 6, "subsampling": 1}, 1, 27),
    ],
)
def test_windows_give_the_scores_of_utterances(
    name: str, changes: dict[str, Any], frames: int, width: int
) -> None:
    keras.utils.set_random_seed(0)
    model: Any = tfmodels.build(name, **SIZES, **changes)
    features = np.random.default_rng(0).normal(size=(2, 11, 4)).astype(np.float32)
    inputs = {"features": features, "lengths": np.array([11, 7], np.int32)}
    found = windows(model, frames)
    assert found is not None
    assert (found.width, found.stride) == (width, frames)
    assert {id(v) for v in found.model.variables} == {id(v) for v in model.variables}
    extended = np.asarray(found.extend(inputs))
    assert extended.shape[1] == 11 + width - 1
    for head, expected in model(inputs).items():
        for t in range(expected.shape[1]):
            window = extended[:, t * frames : t * frames + width]
            scores = found.model(tf.constant(window))[head]
            assert scores.shape == (2, 1, 7)
            np.testing.assert_allclose(scores[:, 0], expected[:, t], atol=1e-5)


def test_what_remembers_has_no_window() -> None:
    model: Any = tfmodels.build("acoustic_lstm", **SIZES, num_cells=5, projection_dim=3)
    assert windows(model) is None
