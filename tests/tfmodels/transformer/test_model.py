"""The Transformer's graph: what it computes, where it can be cut, how it is saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import tfmodels
from tfmodels.errors import ConfigError
from tfmodels.transformer.layers import sinusoids

SMALL = {
    "vocabulary_size": 11,
    "max_length": 6,
    "num_layers": 2,
    "model_dim": 8,
    "num_heads": 2,
    "feed_forward_dim": 12,
    "dropout_rate": 0.0,
}
LLAMA = {
    "num_heads": 4,
    "num_key_value_heads": 2,
    "normalization": "rms",
    "positions": "rotary",
    "activation": "silu",
    "gated_feed_forward": True,
    "biases": False,
}
GPT_2 = {"positions": "learned", "activation": "gelu_tanh", "tie_embeddings": True}
VARIANTS = [
    {},
    {"positions": "learned"},
    {"tie_embeddings": True},
    {"logits_clip": 0.5, "dropout_rate": 0.1},
    LLAMA,
    GPT_2,
]


def build(**changes):
    return tfmodels.build("transformer", **{**SMALL, **changes})


def some_tokens(seed=0, rows=3):
    return np.random.default_rng(seed).integers(0, 11, (rows, 6)).astype(np.int32)


def logits(model, tokens):
    return np.asarray(model(tokens)["logits"])


@pytest.mark.parametrize("changes", VARIANTS)
def test_shapes_and_names(changes):
    model = build(**changes)
    assert model.name == "transformer"
    assert (model.input.name, model.input.dtype) == ("tokens", "int32")
    assert tuple(model.input.shape) == (None, 6)
    assert list(model.output) == ["logits"]
    assert tuple(model.output["logits"].shape) == (None, 6, 11)
    assert model(some_tokens())["logits"].dtype == "float32"


@pytest.mark.parametrize("changes", VARIANTS)
@pytest.mark.parametrize("changed", [0, 3, 5])
def test_a_token_changes_no_logits_before_it(changes, changed):
    model = build(**changes)
    tokens = some_tokens()
    before = logits(model, tokens)
    tokens[:, changed] = (tokens[:, changed] + 1) % 11
    after = logits(model, tokens)
    np.testing.assert_array_equal(before[:, :changed], after[:, :changed])
    assert np.all(np.abs(before - after)[:, changed:].max(axis=(0, 2)) > 1e-6)


def normalized(x, gamma, beta):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * gamma + beta


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def by_hand(weights, tokens):
    """Pre-normalised decoder in plain numpy, float64, learned positions."""
    w = {path: np.asarray(value, np.float64) for path, value in weights.items()}

    def norm(x, name):
        return normalized(x, w[f"{name}/gamma"], w[f"{name}/beta"])

    def dense(x, name):
        return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    x = w["embedding/embeddings"][tokens] + w["positions/positions"]
    length = tokens.shape[1]
    mask = np.where(np.tri(length), 0.0, -np.inf)
    for block in ("block1", "block2"):
        y = norm(x, f"{block}_attention_norm")
        parts = [dense(y, f"{block}_attention_{p}") for p in ("query", "key", "value")]
        heads = []
        for q, k, v in zip(*(np.split(p, 2, axis=-1) for p in parts), strict=True):
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
            heads.append(softmax(scores + mask) @ v)
        x = x + dense(np.concatenate(heads, -1), f"{block}_attention_output")
        y = norm(x, f"{block}_feed_forward_norm")
        y = np.maximum(dense(y, f"{block}_feed_forward_hidden"), 0)
        x = x + dense(y, f"{block}_feed_forward_output")
    return dense(norm(x, "norm"), "output")


def test_equals_the_equations_in_numpy():
    model = build(positions="learned")
    random = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape) * 0.5)
    tokens = some_tokens()
    expected = by_hand({v.path: v.numpy() for v in model.weights}, tokens)
    np.testing.assert_allclose(logits(model, tokens), expected, rtol=1e-4, atol=1e-5)


def test_every_layer_that_has_weights_is_a_node_of_its_own():
    model = build(positions="learned")
    for layer in model.layers:
        assert not isinstance(layer, keras.Model)
        assert layer._flatten_layers(include_self=False) == []


def test_one_tensor_crosses_between_blocks():
    model = build(num_layers=3)
    producers = {layer.output: layer.name for layer in model.layers}
    for number in (1, 2):
        inside = {f"block{n}" for n in range(1, number + 1)} | {"tokens", "embedding"}
        crossing = set()
        for layer in model.layers[1:]:
            name = layer.name.split("_")[0]
            if name in inside or layer.name in ("positions", "dropout"):
                continue
            sources = {producers[tensor] for tensor in tf.nest.flatten(layer.input)}
            crossing |= {s for s in sources if s.split("_")[0] in inside}
        assert crossing == {f"block{number}_feed_forward_add"}


def test_tied_embeddings_are_one_matrix_and_get_both_gradients():
    model = build(tie_embeddings=True, positions="learned")
    matrix = model.get_layer("embedding").embeddings
    assert [v.path for v in model.weights if 11 in v.shape] == [matrix.path]
    tokens = np.full((1, 6), 3, np.int32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tokens)["logits"][..., 7])
    gradient = tf.convert_to_tensor(tape.gradient(loss, matrix.value)).numpy()
    used = np.flatnonzero(np.abs(gradient).max(axis=1) > 1e-6)
    assert used.tolist() == [3, 7]


def test_logits_are_cut_at_the_threshold():
    plain = build()
    clipped = build(logits_clip=0.3)
    clipped.set_weights(plain.get_weights())
    free = logits(plain, some_tokens())
    assert np.abs(free).max() > 0.3
    np.testing.assert_array_equal(
        logits(clipped, some_tokens()), np.clip(free, -0.3, 0.3)
    )


def test_sinusoids_are_those_of_the_paper():
    expected = np.zeros((9, 6))
    for position in range(9):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            expected[position, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
    np.testing.assert_allclose(sinusoids(9, 6), expected, atol=1e-6)


def test_sinusoidal_positions_scale_the_embeddings():
    layer = build().get_layer("positions")
    x = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)
    expected = x * np.sqrt(8) + sinusoids(6, 8)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)


def test_depth_divides_the_initial_feed_forward_outputs():
    deviations = {}
    for scaled in (False, True):
        keras.utils.set_random_seed(0)
        model = build(
            num_layers=4,
            model_dim=32,
            feed_forward_dim=64,
            depth_scaled_initialization=scaled,
        )
        kernel = model.get_layer("block3_feed_forward_output").kernel
        deviations[scaled] = np.std(kernel)
    # Glorot: 2 / (fan in + fan out) is the variance.
    assert deviations[False] == pytest.approx(np.sqrt(2 / 96), rel=0.05)
    assert deviations[True] == pytest.approx(deviations[False] / 4, rel=0.05)


@pytest.mark.parametrize("changes", VARIANTS)
def test_saved_and_loaded_it_is_the_same(changes, tmp_path):
    model = build(**changes)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    tokens = some_tokens()
    np.testing.assert_array_equal(logits(loaded, tokens), logits(model, tokens))


@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_mixed_precision_ends_in_float32(tie_embeddings):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(tie_embeddings=tie_embeddings)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("block1_attention_query").compute_dtype == "bfloat16"
    assert model.output["logits"].dtype == "float32"
    assert model(some_tokens())["logits"].dtype == "float32"


@pytest.mark.slow
def test_tflite_needs_builtin_operations_only(tmp_path):
    model = build(positions="learned")
    model.export(tmp_path, format="tf_saved_model", verbose=False)
    # Unless it is told otherwise, the converter accepts builtin operations only.
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path)).convert()
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    tokens = some_tokens(rows=1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tokens)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(output, logits(model, tokens), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 3}, "model_dim to be a multiple of num_heads: 3"),
        ({"vocabulary_size": 0}, "vocabulary_size"),
        ({"positions": "relative"}, "positions"),
        ({"num_key_value_heads": 3}, "multiple of num_key_value_heads: 3"),
        ({"positions": "rotary", "num_heads": 8}, "to be even"),
        ({"logits_clip": 0.0}, "logits_clip"),
        ({"dropout_rate": 1.0}, "dropout_rate"),
    ],
)
def test_wrong_values_are_errors_that_name_the_field(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(**changes)
