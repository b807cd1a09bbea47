"""Local response normalisation against published values and brute force."""

import keras
import numpy as np
import pytest

from tfmodels.layers.normalization import LocalResponseNormalization


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
