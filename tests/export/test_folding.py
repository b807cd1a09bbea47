"""Folding: equal answers from fewer operations, nothing folded that cannot be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from export.folding import fold
from export.interfaces import Endpoint
from export.lite_runtime import LiteProgram
from export.tflite import convert
from tests.export.small import MODEL
from tfmodels.layers.residual import ScaledAdd

layers = keras.layers
TINY = {
    "googlenet": MODEL,
    "inception_resnet_v2": {
        "input_shape": [16, 16, 1],
        "num_classes": 10,
        "width_multiplier": 0.125,
        "padding": "same",
        "block_counts": [1, 1, 1],
    },
}


def build(name: str) -> keras.Model:
    config = {key: value for key, value in TINY[name].items() if key != "kind"}
    model = tfmodels.build(name, **config).deploy()
    shake(model)
    return model


def shake(model: keras.Model) -> None:
    """Statistics and factors as after training: fresh ones fold to almost nothing."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(size=shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, shape))
            layer.beta.assign(rng.normal(size=shape))
            if layer.scale:
                layer.gamma.assign(rng.uniform(-1.5, 1.5, shape))


def kinds(model: keras.Model) -> set[type]:
    return {type(layer) for layer in model.layers}


def largest_difference(first, second, inputs) -> float:
    expected, received = (np.asarray(model(inputs)) for model in (first, second))
    return float(np.max(np.abs(expected - received)) / np.ptp(expected))


def folded_equals(inputs, outputs) -> keras.Model:
    model = keras.Model(inputs, outputs)
    shake(model)
    folded = fold(model)
    x = np.random.default_rng(1).normal(size=(3, *inputs.shape[1:])).astype("float32")
    assert largest_difference(model, folded, x) < 1e-6
    return folded


@pytest.mark.parametrize("name", TINY)
def test_published_networks_keep_their_answers(name: str):
    model = build(name)
    before = [w.copy() for w in model.get_weights()]

    folded = fold(model)

    shape = model.input_shape[1:]
    x = np.random.default_rng(1).normal(size=(4, *shape)).astype("float32")
    assert (
        largest_difference(
            lambda x: model(x)["logits"], lambda x: folded(x)["logits"], x
        )
        < 1e-5
    )
    assert kinds(folded).isdisjoint({layers.BatchNormalization, ScaledAdd})
    assert (layers.Add in kinds(folded)) == (ScaledAdd in kinds(model))
    names = {layer.name for layer in model.layers}
    assert {layer.name for layer in folded.layers} < names
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_batch_norm_by_hand():
    image = keras.Input((1, 1, 1))
    conv = layers.Conv2D(1, 1, use_bias=True)
    norm = layers.BatchNormalization(epsilon=1.0)
    model = keras.Model(image, norm(conv(image)))
    conv.set_weights([np.full((1, 1, 1, 1), 5.0), np.array([7.0])])
    # gamma, beta, mean, variance; variance + epsilon = 4
    norm.set_weights([np.array([v]) for v in (6.0, 2.0, 1.0, 3.0)])

    kernel, bias = fold(model).layers[-1].get_weights()

    # (5 x + 7 - 1) / 2 * 6 + 2 = 15 x + 20
    assert kernel.item() == 15
    assert bias.item() == 20


def test_scale_passes_through_batch_norm_into_the_convolution():
    x = keras.Input((4, 4, 2))
    branch = layers.BatchNormalization(scale=False)(
        layers.Conv2D(2, 1, use_bias=False, name="conv")(x)
    )
    folded = folded_equals(x, ScaledAdd(0.1, name="sum")([x, branch]))
    assert [type(layer) for layer in folded.layers] == [
        layers.InputLayer,
        layers.Conv2D,
        layers.Add,
    ]


def test_batch_norm_of_a_dense_layer_is_folded():
    x = keras.Input((5,))
    folded = folded_equals(x, layers.BatchNormalization()(layers.Dense(3)(x)))
    assert layers.BatchNormalization not in kinds(folded)


def test_nested_models_are_folded():
    inner_x = keras.Input((4, 4, 2))
    inner_y = layers.BatchNormalization()(layers.Conv2D(3, 1)(inner_x))
    inner = keras.Model(inner_x, inner_y, name="inner")
    shake(inner)
    x = keras.Input((4, 4, 2))
    folded = folded_equals(x, inner(x))
    assert layers.BatchNormalization not in kinds(folded.get_layer("inner"))


def conv_read_twice(x):
    y = layers.Conv2D(2, 1)(x)
    return layers.Add()([layers.BatchNormalization()(y), y])


def conv_read_by_an_operation(x):
    y = layers.Conv2D(2, 1)(x)
    return layers.Concatenate()([layers.BatchNormalization()(y), keras.ops.abs(y)])


def conv_with_relu(x):
    return layers.BatchNormalization()(layers.Conv2D(2, 1, activation="relu")(x))


def norm_before_conv(x):
    return layers.Conv2D(2, 1)(layers.BatchNormalization()(x))


def shared_conv(x):
    conv = layers.Conv2D(2, 1)
    return layers.Add()([layers.BatchNormalization()(conv(x)), conv(-x)])


def scaled_relu(x):
    y = layers.ReLU()(layers.Conv2D(2, 1)(x))
    return ScaledAdd(0.5)([x, y])


def scaled_trunk_is_linear(x):
    return ScaledAdd(0.5)([layers.Conv2D(2, 1)(x), layers.ReLU()(x)])


@pytest.mark.parametrize(
    ("graph", "kept"),
    [
        (conv_read_twice, layers.BatchNormalization),
        (conv_read_by_an_operation, layers.BatchNormalization),
        (conv_with_relu, layers.BatchNormalization),
        (norm_before_conv, layers.BatchNormalization),
        (shared_conv, layers.BatchNormalization),
        (scaled_relu, ScaledAdd),
        (scaled_trunk_is_linear, ScaledAdd),
    ],
)
def test_what_cannot_be_folded_stays(graph, kept: type):
    x = keras.Input((4, 4, 2))
    assert kept in kinds(folded_equals(x, graph(x)))


def test_a_convolution_that_is_also_an_output_keeps_its_values():
    x = keras.Input((4, 4, 2))
    y = layers.Conv2D(2, 1)(x)
    model = keras.Model(x, [y, layers.BatchNormalization()(y)])
    shake(model)
    folded = fold(model)
    values = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype("float32")
    for expected, received in zip(model(values), folded(values), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6)


def test_folded_and_unfolded_float_tflite_agree(tmp_path):
    image = keras.Input((8, 8, 2), name="image")
    trunk = layers.Conv2D(4, 3, padding="same", use_bias=False)(image)
    trunk = layers.ReLU()(layers.BatchNormalization()(trunk))
    branch = layers.Conv2D(4, 1)(trunk)
    logits = layers.Dense(3)(layers.Flatten()(ScaledAdd(0.1)([trunk, branch])))
    model = keras.Model(image, {"logits": logits})
    shake(model)
    shape = (1, *model.input_shape[1:])

    def endpoints(model):
        spec = tf.TensorSpec(shape, tf.float32, "image")
        return {"run": Endpoint(lambda image: model(image, training=False), (spec,))}

    (tmp_path / "folded").write_bytes(convert(model, endpoints, "float32"))
    plain = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (tmp_path / "plain").write_bytes(plain)

    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    folded = LiteProgram(tmp_path / "folded")("run", {"image": x})["logits"]
    reference = LiteProgram(tmp_path / "plain")
    (name,) = reference.endpoints
    (values,) = reference(name, {"image": x}).values()
    assert np.max(np.abs(folded - values)) / np.ptp(values) < 1e-5
