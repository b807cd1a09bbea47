"""Acoustic models step by step: the scores of whole utterances, nothing more."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.acoustic.streaming import Timing
from tfmodels.acoustic.streaming import step_model
from tfmodels.acoustic.streaming import timing
from tfmodels.catalog import find

SIZES = {"feature_dim": 4, "num_pdfs": 7}
TDNN = {"kind": "acoustic_tdnn", "hidden_dim": 6}
LSTM = {"kind": "acoustic_lstm", "num_cells": 5, "projection_dim": 3}
MODELS = {
    "dnn": {"kind": "acoustic_dnn", "hidden_dims": [6], "left_context": 3},
    "tdnn": {**TDNN, "cross_entropy_head": True},
    "tdnn that skips first": {**TDNN, "offsets": [[0], [-3, 0], [0, 3, 6]]},
    "tdnn that skips last": {**TDNN, "offsets": [[-1, 0, 1], [-2, 0]]},
    "tdnn at the rate of frames": {**TDNN, "offsets": [[-1, 0], [0]], "subsampling": 1},
    "lstm": LSTM,
    "lstm without projection": {
        **{**LSTM, "projection_dim": None, "peepholes": False},
        **{"num_layers": 1, "output_delay": 0},
    },
}


def configured(name: str):
    values = {**SIZES, **MODELS[name]}
    return find(values["kind"]).config.parse(values)


def streamed(step: keras.Model, when: Timing, features, lengths) -> np.ndarray:
    """Scores of utterances side by side, [B, T', P]; memory is carried by hand."""
    run = tf.function(step)
    memory = {n: np.zeros((3, *v.shape[1:]), np.float32) for n, v in step.input.items()}
    scores = []
    for frames in np.moveaxis(when.fed(lengths, features.shape[1]), 1, 0):
        out = dict(run({**memory, "features": features[np.arange(3)[:, None], frames]}))
        scores.append(out.pop("logits"))
        memory = out
    return np.stack(scores[when.delay :], axis=1)


@pytest.mark.parametrize("name", MODELS)
def test_steps_equal_the_whole(name: str):
    config = configured(name)
    values = {k: v for k, v in config.plain().items() if k != "kind"}
    model = tfmodels.build(config.kind, **values)
    step = step_model(model, config.frame_subsampling)
    assert {id(v) for v in step.weights} <= {id(v) for v in model.weights}
    features = np.random.default_rng(0).normal(size=(3, 10, 4)).astype(np.float32)
    lengths = np.array([1, 10, 8], np.int32)
    whole = model({"features": features, "lengths": lengths})["logits"]
    received = streamed(step, timing(config), features, lengths)
    for row, length in enumerate(lengths):
        scored = -(-length // config.frame_subsampling)
        np.testing.assert_allclose(
            received[row, :scored], whole[row, :scored], atol=2e-6
        )


def test_frames_that_are_fed():
    when = timing(configured("dnn"))
    assert (when.frames, when.delay) == (1, 8)
    # Three frames before it, and five after: the defaults of the context.
    expected = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(when.fed([2, 1], 2)[0, :, 0], expected)
    # Of 26 frames of context and the scored one, by three.
    when = timing(configured("tdnn"))
    assert (when.frames, when.delay) == (3, 9)
    assert when.fed([4], 4).shape == (1, 11, 3)
    assert when.lead + 10 == 27
    assert timing(configured("lstm")) == (1, 0, 5)


def test_nothing_is_remembered_twice():
    model = tfmodels.build("acoustic_tdnn", **SIZES, hidden_dim=6)
    step = step_model(model, frames=3)
    held = {n: v.shape[1:] for n, v in step.input.items() if n != "features"}
    # Spans of the offsets, in outputs of the layer below.
    assert held == {
        "splice1_frames": (4, 4),
        "splice2_frames": (2, 6),
        "splice3_frames": (2, 6),
        "splice4_frames": (2, 6),
        "splice5_frames": (2, 6),
        "splice6_frames": (2, 6),
    }
