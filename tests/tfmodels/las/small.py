"""Tiny recognisers whose weights, biases too, are all drawn, and batches for them."""

import keras
import numpy as np
import pytest

import tfmodels

SIZES = {
    "feature_dim": 5,
    "left": 1,
    "stride": 2,
    "encoder": {"num_layers": 2, "hidden_dim": 4},
    "attention": {"heads": 2, "width": 3},
    "decoder": {"num_layers": 2, "hidden_dim": 5, "embedding_dim": 3},
    "vocabulary_size": 11,
    "num_varieties": 3,
}
ENCODERS = {
    "uni": {},
    "paired": {"encoder": {"pair_after": [1, 2]}},
    "bi": {"encoder": {"bidirectional": True}},
    "pyramid": {"encoder": {"num_layers": 3, "bidirectional": True, "pair_after": [1]}},
    "conv": {
        "left": 0,
        "stride": 1,
        "encoder": {"bidirectional": True, "convolutions": [3, 2], "projection_dim": 6},
    },
}
CONDITIONINGS = {
    "none": None,
    "mean": {"kind": "mean"},
    "embed": {"kind": "mean", "identifier": "embed", "identifier_dim": 2},
    "weight": {"kind": "weight", "at": "both", "identifier": "embed_softmax"},
    "weight_alone": {"kind": "weight", "at": "both", "base": False},
    "layer": {"kind": "layer", "at": ["encoder1", "decoder1", "decoder2"]},
    "rank_one": {"kind": "rank_one", "rank": 2},
    "adapter": {"kind": "adapter", "bottleneck": 2},
}


def merged(settings, changes):
    """Settings with changes, nested ones too."""
    for key, change in changes.items():
        old = settings.get(key)
        if isinstance(old, dict) and isinstance(change, dict) and key != "conditioning":
            change = merged(old, change)
        settings = {**settings, key: change}
    return settings


def build(**changes):
    model = tfmodels.build("las", **merged(SIZES, changes))
    draw(model)
    return model


def draw(model, seed=1):
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name in ("feature_std", "gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        else:
            weight.assign(random.normal(0, 0.4, weight.shape))


def quick(names, *chosen):
    """All of them as parameters, of which only some are for every run of the tests."""
    return [
        name if name in chosen else pytest.param(name, marks=pytest.mark.slow)
        for name in names
    ]


def batch(lengths=(11, 6, 3), units=(3, 4, 2), longest=None, varieties=3, seed=0):
    random = np.random.default_rng(seed)
    b, t, u = len(lengths), longest or max(lengths), max(units)
    features = np.zeros((b, t, 5), np.float32)
    for row, length in enumerate(lengths):
        features[row, :length] = random.normal(0, 1, (length, 5))
    target = np.zeros((b, u), np.int32)
    for row, length in enumerate(units):
        target[row, :length] = [1, *random.integers(3, 11, length - 1)]
    shares = random.dirichlet(np.ones(varieties), b).astype(np.float32)
    return {
        "features": features,
        "lengths": np.array(lengths, np.int32),
        "variety": shares,
        "target": target,
    }


def one_hot(*ids, varieties=3):
    return keras.utils.to_categorical(ids, varieties).astype(np.float32)


def row(examples, place, length=None, units=None):
    """One example without padding."""
    length = length or examples["lengths"][place]
    units = units or np.count_nonzero(examples["target"][place])
    one = {name: x[place : place + 1] for name, x in examples.items()}
    one["features"] = one["features"][:, :length]
    one["target"] = one["target"][:, :units]
    return one
