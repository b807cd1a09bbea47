"""Layers of packed weights against Keras's own with the weights the codes stand for."""

import keras
import numpy as np
import pytest

from tfmodels.quantization.attention import tell_parts
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.layers import PackedTable
from tfmodels.quantization.layers import PackedWeights
from tfmodels.quantization.layers import can_quantize
from tfmodels.quantization.layers import quantize_layer
from tfmodels.quantization.ranges import solve
from tfmodels.quantization.rows import rows_of


def pack_all(model: keras.Model, bits: int, group_size: int | None) -> None:
    """Packs all that can be, with min-max ranges."""
    for layer in list(model._flatten_layers()):
        if can_quantize(layer):
            rows = rows_of(layer)
            low, high = solve(rows, bits, "minmax", group_size)
            codes = quantize(rows, low, high, bits, group_size=group_size)
            quantize_layer(layer, codes)
    for layer in model._flatten_layers():
        tell_parts(layer)


def small() -> keras.Model:
    """A tied table, attention, and a dense layer of 20 inputs."""
    keras.utils.set_random_seed(1)
    tokens = keras.Input((5,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(11, 20)
    x = table(tokens)
    attention = keras.layers.MultiHeadAttention(2, 7)
    x = attention(x, x, use_causal_mask=True)
    x = keras.layers.Dense(20, activation="relu", bias_initializer="normal")(x)
    return keras.Model(tokens, table(x, reverse=True))


@pytest.mark.parametrize("bits", [2, 3, 4, 6])
@pytest.mark.parametrize("group_size", [None, 8])
def test_answers_are_those_of_the_weights_that_codes_stand_for(
    bits, group_size, tmp_path
):
    model = small()
    plain = keras.models.clone_model(model)
    tokens = np.arange(15, dtype=np.int32).reshape(3, 5) % 11
    before = model(tokens).numpy()
    pack_all(model, bits, group_size)
    # The same weights in Keras's own layers, whose products are not split.
    for layer, old in zip(
        model._flatten_layers(), plain._flatten_layers(), strict=True
    ):
        if isinstance(layer, PackedTable):
            old._embeddings.assign(layer.embeddings)
        elif isinstance(layer, PackedWeights):
            old._kernel.assign(layer.kernel)
            old.bias.assign(layer.bias)
    packed = model(tokens).numpy()
    np.testing.assert_allclose(packed, plain(tokens), atol=1e-5)
    assert np.abs(packed - before).max() > 1e-4
    # One table for both readers, in bytes; nothing in floating point but its grid.
    shapes = {weight.path: weight.dtype for weight in model.weights}
    assert sum("packed" in path for path in shapes) == 6
    assert not any("embeddings" in path or "kernel" in path for path in shapes)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(tokens), packed)


def test_einsum_sums_over_several_axes():
    keras.utils.set_random_seed(2)
    layer = keras.layers.EinsumDense("abcd,cde->abe", (None, 6), bias_axes="e")
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    model = keras.Sequential([keras.Input((3, 4, 5)), layer])
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    np.testing.assert_array_equal(rows_of(layer), kernel.reshape(20, 6).T)
    expected = model(x).numpy()
    pack_all(model, 8, 7)
    np.testing.assert_allclose(model(x), expected, atol=0.02)
