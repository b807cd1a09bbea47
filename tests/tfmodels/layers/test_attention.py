"""Causal attention against loops over positions."""

import keras
import numpy as np
import pytest

from tfmodels.layers.attention import CausalAttention


def attention_by_loops(query, key, value, num_heads):
    """The definition, one head and one position at a time, in float64."""
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    batch, length, width = query.shape
    size = width // num_heads
    result = np.zeros_like(query)
    for b in range(batch):
        for head in range(num_heads):
            part = slice(head * size, (head + 1) * size)
            for t in range(length):
                scores = key[b, : t + 1, part] @ query[b, t, part] / np.sqrt(size)
                weights = np.exp(scores - scores.max())
                weights /= weights.sum()
                result[b, t, part] = weights @ value[b, : t + 1, part]
    return result


def random_inputs(length=7, width=12):
    random = np.random.default_rng(0)
    return [random.normal(size=(2, length, width)).astype(np.float32) for _ in range(3)]


@pytest.mark.parametrize("num_heads", [1, 3, 12])
def test_equals_the_definition(num_heads):
    inputs = random_inputs()
    expected = attention_by_loops(*inputs, num_heads)
    np.testing.assert_allclose(CausalAttention(num_heads)(inputs), expected, atol=1e-6)


def test_equals_keras():
    inputs = random_inputs()
    heads = [x.reshape(2, 7, 3, 4) for x in inputs]
    expected = keras.ops.dot_product_attention(*heads, is_causal=True)
    ours = CausalAttention(3)(inputs)
    np.testing.assert_allclose(ours, np.reshape(expected, [2, 7, 12]), atol=1e-6)


def test_large_scores_stay_finite():
    query, key, value = random_inputs()
    result = np.asarray(CausalAttention(2)([1e4 * query, 1e4 * key, value]))
    assert np.all(np.isfinite(result))
    np.testing.assert_allclose(result[:, 0], value[:, 0], rtol=1e-6)


def test_half_precision_keeps_its_dtype_and_its_mask():
    inputs = random_inputs()
    layer = CausalAttention(3, dtype="float16")
    result = layer([keras.ops.cast(x, "float16") for x in inputs])
    assert result.dtype == "float16"
    expected = attention_by_loops(*inputs, 3)
    np.testing.assert_allclose(result, expected, atol=1e-2)


def test_has_no_weights_and_survives_a_round_trip():
    layer = CausalAttention(3, name="heads")
    copy = CausalAttention.from_config(layer.get_config())
    assert copy.num_heads == 3
    inputs = random_inputs()
    np.testing.assert_array_equal(copy(inputs), layer(inputs))
    assert layer.weights == []
    assert layer.compute_output_shape([(2, 7, 12)] * 3) == (2, 7, 12)
