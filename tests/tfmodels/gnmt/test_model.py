"""What GNMT computes: wirings, padding, residuals, steps, precision, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels

SMALL = {
    "vocabulary_size": 13,
    "embedding_dim": 5,
    "hidden_dim": 6,
    "attention_dim": 4,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "initial": {"kind": "scaled", "embedding_std": 2.0, "input_gain": 4.0},
}
WIRINGS = ["paper", "gnmt_v2", "bottom_query"]


def build(**changes):
    keras.utils.set_random_seed(1)
    return tfmodels.build("gnmt", **{**SMALL, **changes})


def tokens(lengths, longest, seed=0):
    drawn = np.random.default_rng(seed).integers(1, 13, (len(lengths), longest))
    there = np.arange(longest) < np.array(lengths)[:, None]
    return np.where(there, drawn, 0).astype(np.int32)


def batch(source=(7, 4, 1), target=(6, 3, 5)):
    return {"source": tokens(source, 7), "target": tokens(target, 6, seed=1)}


@pytest.fixture(scope="module")
def models():
    return {wiring: build(wiring=wiring) for wiring in WIRINGS}


def test_names_shapes_and_health(models):
    model = models["paper"]
    assert model.name == "gnmt"
    outputs = model(batch())
    assert outputs["logits"].shape == (3, 6, 13)
    assert outputs["logits"].dtype == outputs["attention"].dtype == tf.float32
    memory = model.encode(batch()["source"])
    assert memory["encodings"].shape == (3, 7, 6)
    assert memory["keys"].shape == (3, 7, 4)
    assert model.initial_state(memory)["lstm"].shape == (3, 3, 2, 6)


VARIANTS = [
    *({"wiring": wiring} for wiring in WIRINGS),
    {"first_context": "zeros", "init_state": "encoder_final", "softmax_bias": True},
    {
        "wiring": "gnmt_v2",
        "cell": "standard",
        "num_biases": 2,
        "normed_attention": True,
        "clip": None,
        "share_embedding": False,
    },
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_step_by_step_is_all_at_once(changes):
    model, examples = build(**changes), batch()
    target = examples["target"]
    whole = model(examples)
    log_probs = tf.nn.log_softmax(whole["logits"]).numpy()
    memory = model.encode(examples["source"])
    state = model.initial_state(memory)
    for t in range(6):
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


@pytest.mark.parametrize("wiring", WIRINGS)
def test_padding_and_batch_mates_change_nothing(models, wiring):
    model, examples = models[wiring], batch()
    whole = model(examples)
    target = np.array([[1, 2, 3]], np.int32)
    alone = model({"source": examples["source"][1:2, :4], "target": target})
    more = {name: np.pad(x, ((0, 0), (0, 3))) for name, x in examples.items()}
    more["target"][1, :3] = target[0]
    padded = model(more)
    np.testing.assert_allclose(padded["logits"][1, :3], alone["logits"][0], atol=1e-6)
    np.testing.assert_allclose(
        padded["logits"][0, :6], whole["logits"][0, :6], atol=1e-6
    )
    attention = padded["attention"].numpy()
    there = more["source"] > 0
    assert np.all(attention.transpose(0, 2, 1)[~there] == 0)
    np.testing.assert_allclose(attention.sum(axis=-1), 1, atol=1e-6)


def test_first_attention_is_that_of_no_query(models):
    model, examples = models["paper"], batch()
    memory = model.encode(examples["source"])
    scores = np.tanh(memory["keys"]) @ np.asarray(model.decoder.attention.score)[:, 0]
    shares = np.exp(scores) * np.asarray(memory["mask"])
    shares /= shares.sum(axis=1, keepdims=True)
    attention = model(examples)["attention"]
    np.testing.assert_allclose(attention[:, 0], shares, atol=1e-6)
    assert np.all(build(first_context="zeros")(examples)["attention"][:, 0] == 0)


def test_wirings_look_where_they_should(models):
    """The context of step i may know token i - 1 only with another wiring."""
    examples = batch()
    other = {name: x.copy() for name, x in examples.items()}
    other["target"][0, 3] = examples["target"][0, 3] % 12 + 1
    for wiring, model in models.items():
        before, after = (model(x)["attention"].numpy() for x in (examples, other))
        changed = np.abs(after - before)[0].max(axis=-1) > 1e-7
        first = 4 if wiring == "paper" else 3
        assert list(changed) == [t >= first for t in range(6)], wiring
        logits = np.abs(model(other)["logits"] - model(examples)["logits"])[0].max(-1)
        assert list(logits > 1e-7) == [t >= 3 for t in range(6)], wiring


def test_only_the_backward_layer_looks_ahead():
    model, examples = build(), batch()
    source = examples["source"]
    other = source.copy()
    other[0, 6] = source[0, 6] % 12 + 1

    def changed():
        first, second = (model.encode(x)["encodings"].numpy() for x in (source, other))
        return np.abs(second - first)[0].max(axis=-1) > 1e-7

    assert changed().all()
    for weight in model.encoder.backward_layer.weights:
        weight.assign(tf.zeros_like(weight))
    assert list(changed()) == [False] * 6 + [True]


def test_residuals_begin_at_the_third_layer_and_leave_the_context_out():
    deep, flat = build(), build(encoder_layers=2, decoder_layers=2)
    for layer in (deep.encoder.stack[-1], deep.decoder.stack[-1]):
        for weight in layer.weights:
            weight.assign(tf.zeros_like(weight))
    kept = {weight.path: weight for weight in deep.weights}
    for weight in flat.weights:
        weight.assign(kept[weight.path])
    # A layer without weights gives 0, and a residual what came from below.
    ours, theirs = (model(batch()) for model in (deep, flat))
    np.testing.assert_array_equal(ours["logits"], theirs["logits"])
    source = batch()["source"]
    np.testing.assert_array_equal(
        deep.encode(source)["encodings"], flat.encode(source)["encodings"]
    )


def test_clips_follow_training():
    clip = {"start": 0.5, "end": 0.1, "start_step": 0, "end_step": 4}
    model = build(clip=clip, dropout_rate=0.0)
    free = build(clip=None, dropout_rate=0.0)
    largest = []
    for step in (0, 2, 4):
        model.at_step(step)
        shared = model.new_pass(training=True)
        model.hidden(batch(), shared)
        values = [np.abs(x).max() for x, _ in shared.accumulators.values()]
        largest.append(max(values))
        assert float(shared.limit) == pytest.approx(0.5 - 0.1 * step)
        assert len(values) == 4 + 1 + 3 + 1
    np.testing.assert_allclose(largest, [0.5, 0.3, 0.1], rtol=1e-6)
    trained, answers = (model(batch(), training=training) for training in (True, False))
    np.testing.assert_array_equal(trained["logits"], answers["logits"])
    model.at_step(0)
    np.testing.assert_array_equal(model(batch())["logits"], answers["logits"])
    shares = model.clipped_shares(batch())
    assert set(shares) == set(shared.accumulators)
    assert 0 < shares["encoder2/cells"] < 1
    assert all(share == 0 for share in free.clipped_shares(batch()).values())
    free.at_step(3)
    far = build(clip={"start": 1e9, "end": 1e9}, dropout_rate=0.0)
    np.testing.assert_array_equal(far(batch())["logits"], free(batch())["logits"])


def test_logits_are_clipped_and_dropout_is_only_for_training():
    model = build(logits_clip=0.01)
    assert np.abs(model(batch())["logits"]).max() == np.float32(0.01)
    model = build(dropout_rate=0.5)
    first, second = (model(batch(), training=True)["logits"] for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(model(batch())["logits"], model(batch())["logits"])


def gradients(model):
    """A function of source and target that gives the gradient of all weights."""
    variables = [v.value for v in model.trainable_variables]

    def compute(source, target):
        with tf.GradientTape() as tape:
            outputs = model({"source": source, "target": target}, training=True)
            loss = tf.reduce_sum(outputs["logits"] ** 2)
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]

    return compute


@pytest.mark.slow
def test_lengths_are_not_traced_again():
    model = build(dropout_rate=0.0)
    spec = tf.TensorSpec([None, None], tf.int32)
    compute = tf.function(
        gradients(model), input_signature=[spec, spec], autograph=False
    )
    for gradient in compute(**batch()):
        assert np.abs(gradient).max() > 0
    compute(tokens((3, 2), 3), tokens((4, 5), 5))
    assert compute.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_xla_computes_the_same():
    model = build(encoder_layers=2, decoder_layers=2, dropout_rate=0.0)
    compute = gradients(model)
    ours = tf.function(compute, autograph=False)(**batch())
    compiled = tf.function(compute, autograph=False, jit_compile=True)(**batch())
    for one, two in zip(ours, compiled, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


def test_survives_being_saved(tmp_path):
    model = build(wiring="gnmt_v2")
    model.at_step(15_000)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.config == model.config
    assert again.training_step == 15_000
    np.testing.assert_array_equal(again(batch())["logits"], model(batch())["logits"])


@pytest.mark.parametrize(
    "policy",
    ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)],
)
def test_mixed_precision_scores_in_float32(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        mixed, exact = build(), None
    finally:
        keras.config.set_dtype_policy(before)
    exact = build()
    exact.set_weights(mixed.get_weights())
    assert mixed(batch())["logits"].dtype == tf.float32
    np.testing.assert_allclose(
        mixed(batch())["logits"], exact(batch())["logits"], atol=0.3
    )
    # Searches are in float32.
    memory = mixed.encode(batch()["source"])
    scored = mixed.step(np.array([1, 2, 3]), mixed.initial_state(memory), memory)
    assert scored.log_probs.dtype == tf.float32
