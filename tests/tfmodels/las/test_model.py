"""What LAS computes: padding, steps, heads, short inputs, precision, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.las.small import CONDITIONINGS
from tests.tfmodels.las.small import ENCODERS
from tests.tfmodels.las.small import batch
from tests.tfmodels.las.small import build
from tests.tfmodels.las.small import quick
from tests.tfmodels.las.small import row
from tfmodels.decoding.step import END

ATTENTIONS = {
    "additive": {},
    "location": {"kind": "location", "location_reach": 2},
    "dot": {"kind": "dot", "head_input": "channel_split"},
    "classic": {"heads": 1, "value_projection": False, "bias": False},
}
VARIANTS = {
    **{name: {"conditioning": value} for name, value in CONDITIONINGS.items()},
    **{name: {"attention": value} for name, value in ATTENTIONS.items()},
    "three_layers": {"decoder": {"num_layers": 3}},
    "one_layer": {"decoder": {"num_layers": 1}, "step_head": False},
}
BOTH_HEADS = {"encoder_head": True}


@pytest.fixture(scope="module")
def model():
    return build(**BOTH_HEADS)


def test_names_shapes_and_types(model):
    assert model.name == "las"
    outputs = model(batch())
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {
        "logits": (3, 4, 11),
        "attention": (3, 4, 6),
        "variety_logits": (3, 4, 3),
        "encoder_variety_logits": (3, 3),
    }
    assert all(value.dtype == tf.float32 for value in outputs.values())
    np.testing.assert_allclose(tf.reduce_sum(outputs["attention"], -1), 1, atol=1e-6)


@pytest.mark.parametrize("name", quick(VARIANTS, "weight", "location"))
def test_step_by_step_is_all_at_once(name):
    model, examples = build(**VARIANTS[name]), batch()
    target = examples["target"]
    whole = model(examples)
    memory = model.encode(examples)
    decoded = model.decode_targets(memory, target)
    for output, value in decoded.items():
        np.testing.assert_allclose(value, whole[output], atol=1e-6)
    log_probs = tf.nn.log_softmax(whole["logits"]).numpy()
    state = model.initial_state(memory)
    for t in range(target.shape[1]):
        scored = model.step(target[:, t], state, memory)
        state, there = scored.state, target[:, t] > 0
        np.testing.assert_allclose(
            scored.log_probs.numpy()[there], log_probs[there, t], atol=1e-5
        )
        np.testing.assert_allclose(
            scored.attention.numpy()[there],
            whole["attention"].numpy()[there, t],
            atol=1e-6,
        )
    if model.step_head is not None:
        logs = tf.nn.log_softmax(whole["variety_logits"]) * (target > 0)[..., None]
        np.testing.assert_allclose(
            state["variety_log_probs"], tf.reduce_sum(logs, 1), atol=1e-5
        )


def test_the_variety_is_judged_up_to_the_end(model):
    memory = model.encode(batch())
    state = model.initial_state(memory)
    state = model.step(np.array([1, 1, 1]), state, memory).state
    before = state["variety_log_probs"]
    np.testing.assert_allclose(tf.reduce_sum(tf.exp(before), -1), 1, atol=1e-6)
    after = model.step(np.array([END, 4, 0]), state, memory).state["variety_log_probs"]
    changed = np.any(np.asarray(after) != np.asarray(before), axis=-1)
    assert list(changed) == [False, True, False]


@pytest.mark.parametrize("name", quick(ENCODERS, "conv"))
def test_padding_and_batch_mates_change_nothing(name):
    model = build(**ENCODERS[name], **BOTH_HEADS)
    padded = batch(lengths=(13, 8, 3), longest=16)
    padded["target"] = np.pad(padded["target"], ((0, 0), (0, 2)))
    outputs = {head: value.numpy() for head, value in model(padded).items()}
    for place in range(3):
        alone = model(row(padded, place))
        units, frames = alone["attention"].shape[1:]
        attention = outputs["attention"][place, :units]
        assert np.all(attention[:, frames:] == 0)
        made = {
            "attention": attention[:, :frames],
            "logits": outputs["logits"][place, :units],
            "variety_logits": outputs["variety_logits"][place, :units],
            "encoder_variety_logits": outputs["encoder_variety_logits"][place],
        }
        for head, value in made.items():
            np.testing.assert_allclose(value, alone[head][0], atol=1e-5)


def test_batch_statistics_leave_padding_out():
    """In training, normalisation is over the frames that are there."""
    examples = batch(lengths=(12, 12, 12), units=(4, 4, 4))
    padded = batch(lengths=(12, 12, 12), units=(4, 4, 4), longest=21)
    model = build(**ENCODERS["conv"])
    moving = [w for w in model.non_trainable_variables if "moving" in w.path]
    results = []
    for inputs in (examples, padded):
        start = [np.asarray(w) for w in moving]
        logits = model(inputs, training=True)["logits"]
        results.append([logits, *(np.asarray(w) for w in moving)])
        for weight, value in zip(moving, start, strict=True):
            assert np.any(np.asarray(weight) != value)
            weight.assign(value)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("name", quick(ENCODERS, "paired"))
def test_speech_shorter_than_a_stack(name):
    model = build(**ENCODERS[name])
    for longest in (1, 7):
        lengths = (1, 0, min(longest, 2))
        outputs = model(batch(lengths=lengths, longest=longest))
        assert all(np.all(np.isfinite(value)) for value in outputs.values())
        there = np.asarray(outputs["attention"]).sum(axis=-1)
        np.testing.assert_allclose(there, [[1] * 4, [0] * 4, [1] * 4], atol=1e-6)


def test_features_are_normalised(model):
    examples = batch()
    outputs = model(examples)["logits"]
    mean, std = (np.asarray(w) for w in (model.feature_mean, model.feature_std))
    there = np.arange(11)[None, :] < examples["lengths"][:, None]
    normal = np.where(there[..., None], (examples["features"] - mean) / std, 0)
    plain = build(**BOTH_HEADS)
    plain.feature_mean.assign(np.zeros(5))
    plain.feature_std.assign(np.ones(5))
    given = {**examples, "features": normal.astype(np.float32)}
    np.testing.assert_allclose(plain(given)["logits"], outputs, atol=1e-5)


def test_one_vector_for_each_frame():
    model = build(conditioning={"kind": "mean"}, encoder={"pair_after": [1]})
    examples = batch()
    each = np.repeat(examples["variety"][:, None], 11, axis=1)
    same = model({**examples, "variety": each})["logits"]
    np.testing.assert_allclose(same, model(examples)["logits"], atol=1e-5)
    # Stacked frames 0, 2, 4 and so on, of which the upper layer has 0, 4, 8.
    each[0, 1] = each[0, 3] = 1
    memory = model.encode({**examples, "variety": each})
    np.testing.assert_array_equal(memory["keys"], model.encode(examples)["keys"])
    each[0, 8] = 1
    memory = model.encode({**examples, "variety": each})
    assert np.abs(memory["keys"] - model.encode(examples)["keys"])[0].max() > 1e-3
    there = np.arange(11) < examples["lengths"][:, None]
    expected = (each * there[..., None]).sum(1) / there.sum(1)[:, None]
    np.testing.assert_allclose(memory["variety"], expected, atol=1e-6)


def gradients(model, inputs, head):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs, training=True)[head] ** 2)
    weights = model.trainable_variables
    found = tape.gradient(loss, [weight.value for weight in weights])
    pairs = zip(weights, found, strict=True)
    return {w.path: g for w, g in pairs if g is not None and np.any(g)}


@pytest.mark.parametrize(
    "head",
    quick(["logits", "variety_logits", "encoder_variety_logits"], "variety_logits"),
)
def test_what_learns_from_each_head(model, head):
    learns = gradients(model, batch(), head)
    missing = [w.path for w in model.trainable_variables if w.path not in learns]
    assert any(path.startswith("encoder1") for path in learns)
    if head == "encoder_variety_logits":
        assert not any(path.startswith(("decoder", "attention")) for path in learns)
    else:
        other = {"logits": "step_head", "variety_logits": "softmax"}[head]
        unneeded = ("las/encoder_head", f"las/{other}", "las/bias")
        assert all(path.startswith(unneeded) for path in missing), missing


def test_without_heads_units_are_scored_the_same(model):
    plain = build(step_head=False)
    known = {weight.path: weight for weight in model.weights}
    for weight in plain.weights:
        weight.assign(known[weight.path])
    outputs = plain(batch())
    assert set(outputs) == {"logits", "attention"}
    np.testing.assert_array_equal(outputs["logits"], model(batch())["logits"])
    assert "variety_log_probs" not in plain.initial_state(plain.encode(batch()))


def test_dropout_is_only_for_training():
    model = build(dropout_rate=0.5)
    first, second = (model(batch(), training=True)["logits"] for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(model(batch())["logits"], model(batch())["logits"])


def test_survives_being_saved(tmp_path):
    model = build(conditioning=CONDITIONINGS["layer"])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.config == model.config
    np.testing.assert_array_equal(again(batch())["logits"], model(batch())["logits"])


@pytest.mark.slow
def test_mixed_precision_scores_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build(**BOTH_HEADS)
    finally:
        keras.config.set_dtype_policy(before)
    exact, outputs = build(**BOTH_HEADS), mixed(batch())
    assert all(value.dtype == tf.float32 for value in outputs.values())
    np.testing.assert_allclose(outputs["logits"], exact(batch())["logits"], atol=0.3)
