"""Normalisation against Keras's layer, published values and brute force."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.layers.normalization import BatchNormalization
from tfmodels.layers.normalization import LocalResponseNormalization


def taught(layer, values, training=True):
    """What a layer answers, its gradients and its variables after one call."""

    @tf.function(autograph=False)
    def call(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = layer(inputs, training=training)
            loss = tf.reduce_sum(tf.cast(output, tf.float32) ** 3)
        sources = [inputs, *(v.value for v in layer.trainable_variables)]
        return output, tape.gradient(loss, sources)

    output, gradients = call(tf.constant(values))
    used = {op.type for op in call.get_concrete_function(values).graph.get_operations()}
    after = [variable.numpy() for variable in layer.non_trainable_variables]
    return [output, *gradients, *after], used


@pytest.mark.parametrize(
    "settings",
    [{}, {"scale": False, "center": False}, {"dtype": "mixed_bfloat16"}],
    ids=["plain", "bare", "bfloat16"],
)
def test_batch_norm_trains_as_that_of_keras_in_one_operation(settings):
    values = np.random.default_rng(0).normal(3, 2, (4, 3, 5, 7)).astype(np.float32)
    found = []
    for cls in (keras.layers.BatchNormalization, BatchNormalization):
        layer = cls(momentum=0.7, epsilon=0.01, **settings)
        layer.build(values.shape)
        found.append(taught(layer, values))
    (expected, steps), (made, fused) = found
    assert "FusedBatchNormV3" in fused - steps
    assert made[0].dtype == expected[0].dtype
    for one, other in zip(made, expected, strict=True):
        one, other = (np.asarray(tf.cast(x, tf.float32)) for x in (one, other))
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


def test_batch_norm_is_that_of_keras_where_it_is_not_taught():
    values = np.random.default_rng(0).normal(3, 2, (4, 3, 5, 7)).astype(np.float32)
    layer, keras_layer = BatchNormalization(), keras.layers.BatchNormalization()
    for each in (layer, keras_layer):
        each.build(values.shape)
    _, used = taught(layer, values, training=False)
    assert "FusedBatchNormV3" not in used
    layer.trainable = False
    np.testing.assert_array_equal(
        layer(values, training=True), keras_layer(values, training=False)
    )
    rows = values.reshape(-1, 7)
    np.testing.assert_array_equal(
        BatchNormalization()(rows, training=True),
        keras.layers.BatchNormalization()(rows, training=True),
    )


def test_hand_computed_values():
    channels = np.array([1, 2, 3, 4, 5], np.float32).reshape(1, 1, 1, 5)
    normalized = np.ravel(LocalResponseNormalization()(channels))
    # The middle channel sees 1 + 4 + 9 + 16 + 25; the first 1 + 4 + 9.
    np.testing.assert_allclose(normalized[0], 0.99979005, atol=1e-7)
    np.testing.assert_allclose(normalized[2], 2.99752738, atol=5e-7)


@pytest.mark.parametrize("size", [3, 5])
def test_brute_force(size):
    values = np.random.default_rng(0).normal(0, 20, (2, 3, 4, 7)).astype(np.float32)
    layer = LocalResponseNormalization(size, alpha=0.02, beta=0.6, bias=2.0)
    expected = np.empty_like(values)
    for channel in range(7):
        first = max(0, channel - size // 2)
        energy = np.sum(values[..., first : channel + size // 2 + 1] ** 2, axis=-1)
        divisor = (2.0 + 0.02 / size * energy) ** 0.6
        expected[..., channel] = values[..., channel] / divisor
    np.testing.assert_allclose(layer(values), expected, rtol=2e-6)


def test_half_precision_does_not_overflow():
    layer = LocalResponseNormalization(dtype="mixed_float16")
    output = layer(np.full((1, 1, 1, 5), 1000.0, np.float32))
    assert output.dtype == "float16"
    # 1e6 * 3 * 2e-5 = 60 for the first channel.
    np.testing.assert_allclose(np.ravel(output)[0], 1000 / 61**0.75, rtol=1e-3)


def test_arguments_survive_serialization():
    layer = LocalResponseNormalization(3, 0.1, 0.5, 2.0, name="lrn")
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    assert (copy.size, copy.alpha, copy.beta, copy.bias) == (3, 0.1, 0.5, 2.0)
