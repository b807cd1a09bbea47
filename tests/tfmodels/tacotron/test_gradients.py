"""Gradients of the decoder beside those of a plain loop, which TensorFlow makes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.layers.test_unrolled import plain
from tests.tfmodels.tacotron.small import MIXTURE
from tests.tfmodels.tacotron.small import batch
from tests.tfmodels.tacotron.small import build
from tfmodels.tacotron import decoder

SUMMED = {"dim": 6, "filters": 3, "kernel": 5, "location_inputs": "cumulative"}
DROPPED = {"prenet_dim": 7, "hidden_dim": 8, "regulariser": "dropout"}


def mixed():
    """Texts whose symbols are of two languages in turn."""
    source = batch()
    return {**source, "token_languages": tf.one_hot([[0, 1] * 3] * 3, 2)}


def gradients(model, source, training):
    with tf.GradientTape() as tape:
        outputs = model(source, training=training)
        names = ("mel", "mel_post", "stop", "alignment")
        loss = sum(
            tf.reduce_sum(tf.sin(outputs[name] * number))
            for number, name in enumerate(names, 1)
        )
    weights = model.trainable_variables
    found = tape.gradient(loss, [weight.value for weight in weights])
    return [loss, *(each for each in found if each is not None)]


def both(monkeypatch, model, source, training, compiled=False):
    def run():
        return [tf.convert_to_tensor(g) for g in gradients(model, source, training)]

    found = tf.function(run, jit_compile=True)() if compiled else run()
    with monkeypatch.context() as patch:
        patch.setattr(decoder, "unrolled", plain)
        return found, run()


def agree(found, expected, share):
    for one, other in zip(found, expected, strict=True):
        largest = max(np.abs(other).max(), 1)
        np.testing.assert_allclose(one, other, rtol=0, atol=share * largest)


@pytest.mark.parametrize(
    ("changes", "source", "training"),
    [
        ({}, batch, True),
        ({}, batch, False),
        ({"attention": SUMMED}, batch, True),
        ({"attention": SUMMED | {"bias": True}, "conditioning": "memory"}, batch, True),
        ({"attention": MIXTURE}, batch, True),
        ({"decoder": DROPPED}, batch, True),
        ({}, mixed, True),
        ({"attention": MIXTURE}, mixed, False),
        ({"conditioning": "late_speaker"}, mixed, True),
        ({}, lambda: batch(symbols=44), True),
    ],
)
def test_of_all_weights(monkeypatch, changes, source, training):
    model = build(**changes)
    found, expected = both(monkeypatch, model, source(), training)
    agree(found, expected, 1e-5)


def test_compiled(monkeypatch):
    found, expected = both(monkeypatch, build(), mixed(), True, compiled=True)
    agree(found, expected, 1e-5)


def test_in_mixed_precision(monkeypatch):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found, expected = both(monkeypatch, build(), mixed(), True)
    finally:
        keras.config.set_dtype_policy(before)
    agree(found, expected, 0.05)
