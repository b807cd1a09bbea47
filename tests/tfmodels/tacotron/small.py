"""Tiny synthesisers whose weights, biases too, are all drawn, and batches for them."""

import numpy as np
import tensorflow as tf

import tfmodels

SIZES = {
    "num_symbols": 9,
    "num_tones": 4,
    "num_speakers": 3,
    "speaker_dim": 4,
    "num_languages": 2,
    "language_dim": 2,
    "mel_bins": 5,
    "frames_per_step": 2,
    "encoder": {"dim": 8, "convolutions": 2},
    "attention": {"dim": 6, "filters": 3, "kernel": 5},
    "decoder": {"prenet_dim": 7, "hidden_dim": 8},
    "postnet": {"convolutions": 3, "filters": 6},
    "residual": {"dim": 3, "filters": 4, "hidden_dim": 4, "strides": [2, 1]},
    "classifier": {"hidden_dim": 5},
}

MIXTURE = {"kind": "mixture", "components": 2, "dim": 3}


def build(**changes):
    model = tfmodels.build("tacotron", **{**SIZES, **changes})
    random = np.random.default_rng(1)
    for weight in model.weights:
        if weight.dtype == "float32":
            drawn = random.normal(0, 0.4, weight.shape)
            if weight.path.endswith(("variance", "mel_std", "gamma")):
                drawn = np.abs(drawn) + 0.5
            weight.assign(drawn)
    return model


def batch(rows=3, symbols=6, frames=8):
    """Texts and targets of several lengths."""
    random = np.random.default_rng(2)
    lengths = np.array([6, 4, 5])[:rows]
    spoken = np.array([8, 5, 6])[:rows]
    text = np.arange(symbols) < lengths[:, None]
    there = np.arange(frames) < spoken[:, None]
    ids = random.integers(1, 9, (3, 6))
    tones = random.integers(0, 4, (3, 6))
    mel = random.normal(size=(3, 8, 5))
    padded = [[0, 0], [0, symbols - 6]]
    values = {
        "symbols": np.pad(ids, padded)[:rows] * text,
        "tones": np.pad(tones, padded)[:rows] * text,
        "symbol_lengths": lengths,
        "speaker": np.eye(3)[:rows],
        "language": np.eye(2)[[0, 1, 0]][:rows],
        "mel": np.pad(mel, [[0, 0], [0, frames - 8], [0, 0]])[:rows] * there[..., None],
        "frames": spoken,
        "seed": np.array([[1, 2], [3, 4], [5, 6]])[:rows],
    }
    types = {"seed": tf.int64, "mel": tf.float32, "speaker": tf.float32}
    types["language"] = tf.float32
    return {k: tf.constant(v, types.get(k, tf.int32)) for k, v in values.items()}
