"""Acoustic models step by step: the scores of whole utterances, nothing more."""

import keras
import numpy as np
import pytest

import tfmodels
from tfmodels.acoustic.streaming import step_model
from tfmodels.acoustic.streaming import timing
from tfmodels.catalog import find

SIZES = {"feature_dim": 4, "num_pdfs": 7}
TDNN = {"kind": "acoustic_tdnn", "hidden_dim": 6}
LSTM = {"kind": "acoustic_lstm", "num_cells": 5, "projection_dim": 3}
MODELS = {
    "dnn": {"kind": "acoustic_dnn", "hidden_dims": [6], "left_context": 3},
    "dnn of single frames": {
        **{"kind": "acoustic_dnn", "hidden_dims": [6]},
        **{"left_context": 0, "right_context": 0},
    },
    "tdnn": TDNN,
    "tdnn at the rate of frames": {**TDNN, "subsampling": 1},
    "tdnn that skips first": {**TDNN, "offsets": [[0], [-3, 0], [0, 3, 6]]},
    "tdnn that skips last": {**TDNN, "offsets": [[-1, 0, 1], [-2, 0]]},
    "lstm": LSTM,
    "lstm without delay": {**LSTM, "output_delay": 0},
    "lstm without projection": {**LSTM, "projection_dim": None, "num_layers": 1},
    "lstm without peepholes": {**LSTM, "peepholes": False},
    "two heads": {**TDNN, "cross_entropy_head": True},
}


def configured(name: str):
    values = {**SIZES, **MODELS[name]}
    return find(values["kind"]).config.parse(values)


def streamed(step: keras.Model, model, features: np.ndarray) -> np.ndarray:
    """Scores of one utterance, [T', P], and the memory carried by hand."""
    when = timing(model)
    memory = {n: np.zeros((1, *v.shape[1:]), np.float32) for n, v in step.input.items()}
    scores = []
    for frames in when.fed(len(features)):
        out = step({**memory, "features": features[frames][None]})
        memory = {name: np.asarray(value) for name, value in out.items()}
        scores.append(memory.pop("logits")[0])
    return np.stack(scores[when.delay :])


@pytest.mark.parametrize("name", MODELS)
def test_steps_equal_the_whole(name: str):
    config = configured(name)
    values = {k: v for k, v in config.plain().items() if k != "kind"}
    model = tfmodels.build(config.kind, **values)
    step = step_model(model, config.frame_subsampling)
    assert not step.weights or len(step.weights) <= len(model.weights)
    assert {id(v) for v in step.weights} <= {id(v) for v in model.weights}
    for length in (1, 7, 9):
        features = np.random.default_rng(length).normal(size=(length, 4))
        features = features.astype(np.float32)
        batch = {"features": features[None], "lengths": np.array([length], np.int32)}
        whole = np.asarray(model(batch)["logits"])[0]
        np.testing.assert_allclose(streamed(step, config, features), whole, atol=2e-6)


def test_frames_that_are_fed():
    when = timing(configured("dnn"))
    assert (when.frames, when.delay) == (1, 8)
    # Three frames before it, and five after: the defaults of the context.
    expected = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(when.fed(2)[:, 0], expected)
    # Of 26 frames of context and the scored one, by three.
    when = timing(configured("tdnn"))
    assert (when.frames, when.delay) == (3, 9)
    assert when.fed(4).shape == (11, 3)
    assert when.lead + 10 == 27
    assert timing(configured("lstm")) == (1, 0, 5)


def test_nothing_is_remembered_twice():
    step = step_model(
        tfmodels.build("acoustic_tdnn", **SIZES, hidden_dim=6), frames=3
    )
    held = {n: v.shape[1:] for n, v in step.input.items() if n != "features"}
    # Spans of the offsets, in outputs of the layer below; three frames a step, then one.
    assert held == {
        "splice1_frames": (4, 4),
        "splice2_frames": (2, 6),
        "splice3_frames": (2, 6),
        "splice4_frames": (2, 6),
        "splice5_frames": (2, 6),
        "splice6_frames": (2, 6),
    }
