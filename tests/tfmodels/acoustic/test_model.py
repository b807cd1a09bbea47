"""What acoustic models compute: shapes, edges, context, recurrence, single steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.errors import ConfigError

SMALL = {
    "acoustic_dnn": {"hidden_dims": [6, 5], "left_context": 2, "right_context": 1},
    "acoustic_lstm": {"num_cells": 5, "projection_dim": 3, "output_delay": 2},
    "acoustic_tdnn": {"hidden_dim": 6},
}
RATE = {"acoustic_dnn": 1, "acoustic_lstm": 1, "acoustic_tdnn": 3}


def build(name, **changes):
    sizes = {"feature_dim": 4, "num_pdfs": 7}
    return tfmodels.build(name, **{**sizes, **SMALL[name], **changes})


def xla_gradients(model, features):
    """Gradients in one compiled function, as asynchronous replicas compute them."""
    variables = [v.value for v in model.trainable_variables]

    @tf.function(jit_compile=True)
    def compute(features, lengths):
        with tf.GradientTape() as tape:
            outputs = model({"features": features, "lengths": lengths})
            loss = tf.reduce_sum(outputs["logits"] ** 2)
        return tape.gradient(loss, variables)

    lengths = tf.fill(features.shape[:1], features.shape[1])
    return compute(features, lengths), compute.python_function(features, lengths)


def frames(rows=2, length=13, seed=0):
    values = np.random.default_rng(seed).normal(size=(rows, length, 4))
    return values.astype(np.float32)


def logits(model, features, lengths, name="logits"):
    batch = {"features": features, "lengths": np.array(lengths, np.int32)}
    return np.asarray(model(batch)[name])


@pytest.mark.parametrize("name", SMALL)
def test_names_shapes_and_normalization(name):
    model = build(name)
    assert model.name == name
    assert {k: v.dtype for k, v in model.input.items()} == {
        "features": "float32",
        "lengths": "int32",
    }
    assert list(model.output) == ["logits"]
    assert model.output["logits"].shape[-1] == 7
    for length in (1, 12, 13, 15):
        scores = logits(model, frames(2, length), [length, 1])
        assert scores.shape == (2, -(-length // RATE[name]), 7)
    # Moving averages would be raced for by replicas that do not wait.
    assert len(model.non_trainable_variables) == 0


@pytest.mark.parametrize("name", SMALL)
def test_padding_changes_nothing(name):
    model, features = build(name), frames()
    alone = logits(model, features[:1, :8], [8])
    padded = logits(model, features, [8, 13])
    np.testing.assert_allclose(padded[:1, : alone.shape[1]], alone, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_second_head(name):
    model = build(name, cross_entropy_head=True)
    assert list(model.output) == ["logits", "cross_entropy_logits"]
    one, two = (logits(model, frames(), [13, 9], head) for head in model.output)
    assert one.shape == two.shape
    assert np.abs(one - two).max() > 1e-3


@pytest.mark.parametrize("name", SMALL)
def test_survives_being_saved(name, tmp_path):
    model = build(name)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        logits(again, frames(), [13, 9]), logits(model, frames(), [13, 9])
    )


@pytest.mark.parametrize("name", SMALL)
def test_logits_are_float32_in_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert logits(build(name), frames(), [13, 9]).dtype == np.float32
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("name", SMALL)
def test_compiles(name):
    compiled, plain = xla_gradients(build(name), tf.constant(frames()))
    for one, two in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


def reach(model, scored, length=60):
    """Input frames that the scores of one output frame depend on."""
    features = frames(1, length)
    before = logits(model, features, [length])[0, scored]
    rows = np.repeat(features, length, axis=0)
    rows[np.arange(length), np.arange(length)] += 1
    after = logits(model, rows, [length] * length)[:, scored]
    return np.flatnonzero(np.abs(after - before).max(-1) > 1e-7)


def test_context_of_a_frame():
    assert list(reach(build("acoustic_dnn"), 20)) == [18, 19, 20, 21]
    seen = reach(build("acoustic_lstm"), 20)
    assert seen.max() == 22
    assert seen.size > 4
    # 2 + 1 + 1 + 3 + 3 + 6 before, 2 + 1 + 1 + 3 + 3 after.
    tdnn = reach(build("acoustic_tdnn", hidden_dim=64), 10)
    assert (tdnn.min(), tdnn.max()) == (30 - 16, 30 + 10)


def norm(x):
    return x / np.sqrt((x**2).mean() + 1e-6)


@pytest.mark.parametrize("subsampling", [1, 3])
def test_tdnn_equals_its_definition(subsampling):
    """Each output by recursion over what it needs, at the full rate of frames."""
    model = build("acoustic_tdnn", subsampling=subsampling)
    features = frames(1, 40)
    offsets = ((-2, -1, 0, 1, 2), (-1, 0, 1), (-1, 0, 1), (-3, 0, 3), (-3, 0, 3))
    offsets = (*offsets, (-6, -3, 0))

    def dense(name, x):
        kernel, bias = model.get_layer(name).get_weights()
        return x @ kernel + bias

    def layer(number, t):
        if number == 0:
            return features[0, min(max(t, 0), 39)]
        below = [layer(number - 1, t + offset) for offset in offsets[number - 1]]
        return norm(np.maximum(0, dense(f"tdnn{number}", np.concatenate(below))))

    scores = logits(model, features, [40])[0]
    for out in (0, 5, len(scores) - 1):
        last = layer(6, out * subsampling)
        expected = norm(np.maximum(0, dense("pre_logits", last)))
        np.testing.assert_allclose(scores[out], dense("logits", expected), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("acoustic_dnn", "num_pdfs", 0),
        ("acoustic_dnn", "activation", "tanh"),
        ("acoustic_lstm", "projection_dim", 0),
        ("acoustic_tdnn", "offsets", [[1, 2]]),
        ("acoustic_tdnn", "offsets", [[]]),
    ],
)
def test_wrong_values_are_errors_that_name_the_field(name, field, value):
    with pytest.raises(ConfigError, match=field):
        build(name, **{field: value})
