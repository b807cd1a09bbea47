"""What WaveRNN computes: bytes, who depends on what, counts, samples, one by heart."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.audio.presets import PRESETS
from tfmodels.layers.seeded import uniforms
from tfmodels.wavernn.model import as_bytes
from tfmodels.wavernn.model import as_samples
from tfmodels.wavernn.model import drawn
from tfmodels.wavernn.vocoder import WaveRNNVocoder

SIZES = {"mel_bins": 3, "hidden_dim": 8, "upsampling": [2, 3], "channels": 5}
LENGTH = 24


def build(**changes):
    model = tfmodels.build("wavernn", **{**SIZES, **changes})
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def model():
    return build()


def example(rows=2):
    random = np.random.default_rng(1)
    return {
        "mel": random.normal(size=[rows, 4 + 4, 3]).astype(np.float32),
        "coarse": random.integers(0, 256, [rows, LENGTH + 1]),
        "fine": random.integers(0, 256, [rows, LENGTH + 1]),
    }


def test_bytes():
    coarse, fine = as_bytes(tf.constant([12345 / 32768, 0, -1, 1]))
    assert (int(coarse[0]), int(fine[0])) == (176, 57)
    assert [int(coarse[1]), int(fine[1])] == [128, 0]
    np.testing.assert_array_equal(coarse[2:], [0, 255])
    np.testing.assert_array_equal(fine[2:], [0, 255])
    back = as_samples(coarse, fine)
    np.testing.assert_allclose(back[:3], [12345 / 32768, 0, -1])


def test_who_depends_on_what(model):
    """P(c) of neither byte of its sample, P(f) of the high one only; later of both."""
    before = model(example())
    place = 10
    for name, changes_now in (("coarse", {"fine_logits"}), ("fine", set())):
        inputs = example()
        inputs[name][:, place + 1] ^= 77
        after = model(inputs)
        for scores in ("logits", "fine_logits"):
            moved = np.abs(after[scores] - before[scores]).max(axis=(0, 2)) > 1e-6
            assert not moved[:place].any()
            assert moved[place] == (scores in changes_now)
            assert moved[place + 1]


def test_a_step_by_hand(model):
    """The second sample of the first row, with equation 2 of the paper in NumPy."""
    inputs = example(1)
    told = model.condition(inputs["mel"]).numpy()[0]
    weights = {weight.name: weight.numpy() for weight in model.trainable_weights}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    h = np.zeros(8)
    for t in range(2):
        c, f, now = (
            inputs[name][0, t + late] / 127.5 - 1
            for name, late in (("coarse", 0), ("fine", 0), ("coarse", 1))
        )
        high = np.array([c, f]) @ weights["coarse_kernel"]
        low = np.array([c, f, now]) @ weights["fine_kernel"]
        seen = np.concatenate([[*high[g : g + 4], *low[g : g + 4]] for g in (0, 4, 8)])
        u, r, e = np.split(seen + told[t], 3)
        ru, rr, re = np.split(h @ weights["recurrent_kernel"], 3)
        u, r = sigmoid(ru + u), sigmoid(rr + r)
        h = u * h + (1 - u) * np.tanh(r * re + e)
    for name, half in (("coarse", h[:4]), ("fine", h[4:])):
        x = np.maximum(half @ weights[f"{name}0_kernel"] + weights[f"{name}0_bias"], 0)
        expected = x @ weights[f"{name}1_kernel"] + weights[f"{name}1_bias"]
        scores = model(inputs)["logits" if name == "coarse" else "fine_logits"]
        np.testing.assert_allclose(scores[0, 1], expected, atol=1e-5)


def test_mixed_precision_makes_nearly_the_same(model):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        other = build()
    finally:
        keras.config.set_dtype_policy(before)
    assert other.compute_dtype == "bfloat16"
    for name, scores in other(example()).items():
        assert scores.dtype == tf.float32
        np.testing.assert_allclose(scores, model(example())[name], atol=0.2)
    sound = other.sample(example()["mel"], tf.constant([[3, 4], [5, 6]], tf.int64))
    assert sound.shape == (2, LENGTH)


def test_drawn_samples_are_those_of_given_ones(model):
    """Teacher forcing on what was drawn gives the same draws, and rows are alone."""
    mel, seed = example()["mel"], tf.constant([[3, 4], [5, 6]], tf.int64)
    made = model.sample(mel, seed)
    assert made.shape == (2, LENGTH)
    coarse, fine = as_bytes(tf.pad(made, [[0, 0], [1, 0]]))
    found = model({"mel": mel, "coarse": coarse, "fine": fine})
    for stream, (scores, given) in enumerate(
        (("logits", coarse), ("fine_logits", fine)), 1
    ):
        numbers = uniforms(seed, stream, LENGTH)
        again = [drawn(found[scores][:, t], numbers[:, t]) for t in range(LENGTH)]
        np.testing.assert_array_equal(tf.stack(again, 1), given[:, 1:])
    alone = model.sample(mel[1:], seed[1:])
    np.testing.assert_array_equal(alone, made[1:])


def test_numbers_are_drawn_as_often_as_they_are_likely():
    shares = np.array([0.1, 0.2, 0.7], np.float32)
    numbers = (np.arange(1000, dtype=np.float32) + 0.5) / 1000
    found = drawn(np.tile(np.log(shares), [1000, 1]), tf.constant(numbers))
    np.testing.assert_allclose(np.bincount(found) / 1000, shares, atol=2e-3)


def test_counts_of_the_paper(monkeypatch):
    """3,050,048 weights without what is told, by hand from the paper's figure."""
    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", _zeros)
    model = tfmodels.build("wavernn")
    told = model.condition_kernel.shape.num_elements() + sum(
        weight.shape.num_elements()
        for layer in model.upsampler
        for weight in layer.weights
    )
    total = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    assert total - told == 3_050_048
    assert model.config.hop == 300


def _zeros(self, shape, dtype=None, **_):
    return tf.zeros(shape, dtype or "float32")


def test_sound_is_as_long_as_its_spectrum():
    model = build()
    vocoder = WaveRNNVocoder(model, replace(PRESETS["small"], hop=6))
    mel = np.random.default_rng(0).normal(size=[2, 3, 3]).astype(np.float32)
    sound = vocoder(tf.constant(mel), tf.constant([3, 2])).numpy()
    assert sound.shape == (2, 3 * 6)
    assert np.abs(sound).max() <= 1
    assert sound[0, 2 * 6 :].any()
    assert not sound[1, 2 * 6 :].any()


@pytest.mark.slow
def test_a_clip_is_learned_by_heart():
    """A voice of two harmonics: the likeliest bytes nearly always, from nothing."""
    model = build(hidden_dim=64, channels=8)
    time = np.arange(8 * 6 + 1) / 24
    samples = 0.4 * np.sin(7 * time) + 0.3 * np.sin(17 * time)
    coarse, fine = as_bytes(tf.constant(samples[None], tf.float32))
    mel = np.random.default_rng(0).normal(size=[1, 8 + 4, 3]).astype(np.float32)
    inputs = {"mel": mel, "coarse": coarse, "fine": fine}
    optimizer = keras.optimizers.Adam(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            made = model(inputs)
            losses = [
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels[:, 1:], scores)
                for labels, scores in (
                    (coarse, made["logits"]),
                    (fine, made["fine_logits"]),
                )
            ]
            loss = tf.reduce_mean(losses)
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    first = float(step())
    for _ in range(400):
        last = float(step())
    assert first > 4
    assert last < 0.1
    found = model.sample(mel, tf.constant([[0, 1]], tf.int64))
    assert np.mean(np.abs(found[0] - samples[1:]) < 0.01) > 0.9
