"""Codes, zero points and packed forms of weights."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.packing import pack
from tfmodels.quantization.packing import packed_width
from tfmodels.quantization.packing import unpack
from tfmodels.quantization.packing import unpack_in_graph
from tfmodels.quantization.ranges import solve


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_packed_codes_come_back(bits):
    rng = np.random.default_rng(0)
    for width in range(1, 66):
        codes = rng.integers(0, 2**bits, (3, width)).astype(np.uint8)
        packed = pack(codes, bits)
        assert packed.shape == (3, packed_width(width, bits))
        np.testing.assert_array_equal(unpack(packed, bits, width), codes)
        if width in (1, 7, 8, 33, 64):
            np.testing.assert_array_equal(unpack_in_graph(packed, bits, width), codes)


def test_order_of_packed_codes():
    assert pack(np.array([[1, 2, 3]], np.uint8), 4).tolist() == [[0x21, 0x03]]
    assert pack(np.array([[1, 2, 3, 0]], np.uint8), 2).tolist() == [[0b00111001]]
    word = sum(code << 3 * place for place, code in enumerate(range(8)))
    packed = pack(np.arange(8, dtype=np.uint8)[None], 3)
    assert packed.tobytes() == word.to_bytes(3, "little")
    with pytest.raises(ConfigError, match="packed form"):
        pack(np.zeros((1, 2), np.uint8), 5)
    with pytest.raises(ConfigError, match="another width"):
        unpack(packed, 3, 9)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("zero", ["real", "integer", "symmetric"])
def test_codes_are_in_range_and_stay_what_they_are(bits, zero):
    w = np.random.default_rng(1).standard_t(4, (6, 50)).astype(np.float32)
    made = quantize(w, *solve(w, bits, group_size=16), bits, zero, 16)
    assert made.codes.max() <= 2**bits - 1
    # Steps are numbers of 8 significant bits.
    assert not (made.scale.view(np.uint32) & 0xFFFF).any()
    np.testing.assert_array_equal(
        tf.cast(tf.cast(made.scale, tf.bfloat16), tf.float32), made.scale
    )
    if zero != "real":
        zeros = made.zero_points()
        np.testing.assert_array_equal(zeros, np.rint(zeros))
        assert zeros.min() >= 0
        assert zeros.max() <= 2**bits - 1
    if zero == "symmetric":
        np.testing.assert_array_equal(zeros, 2 ** (bits - 1))
    again = made.dequantize()
    twice = quantize(again, *made.ends(), bits, group_size=16)
    np.testing.assert_array_equal(twice.codes, made.codes)
    np.testing.assert_array_equal(twice.scale, made.scale)
    np.testing.assert_allclose(twice.dequantize(), again, rtol=0, atol=1e-6)


def test_halves_go_to_even_codes():
    w = np.array([[0, 0.5, 1.5, 2.5, 3]], np.float32)
    made = quantize(w, np.zeros((1, 1)), np.full((1, 1), 3.0), 2)
    assert made.codes.tolist() == [[0, 0, 2, 2, 3]]


def test_the_better_whole_zero_point_is_taken():
    rng = np.random.default_rng(2)
    w = rng.standard_normal((50, 16)).astype(np.float32) + 0.4
    low, high = solve(w, 2)
    made = quantize(w, low, high, 2, "integer").dequantize()
    for row, found, first, last in zip(w, made, low[:, 0], high[:, 0], strict=True):
        first, last = min(first, 0), max(last, 0)
        step = (last - first) / 3
        errors = [
            np.sum((row - step * (np.clip(np.rint(row / step) + z, 0, 3) - z)) ** 2)
            for z in (np.floor(-first / step), np.ceil(-first / step))
        ]
        assert np.sum((row - found) ** 2) <= min(errors) * 1.02


def test_weights_of_one_sign_are_not_clipped_to_zero():
    w = np.random.default_rng(3).random((4, 32)).astype(np.float32) + 5
    made = quantize(w, *solve(w, 8), 8, "integer").dequantize()
    assert abs(made - w).max() < 0.05


def test_more_bits_and_smaller_groups_never_hurt_the_best_grid():
    rng = np.random.default_rng(4)
    w = rng.standard_normal(6)

    def best(values, bits):
        ends = np.linspace(values.min(), values.max(), 60)
        least = np.inf
        for low, high in itertools.combinations(ends, 2):
            scale = (high - low) / (2**bits - 1)
            codes = np.clip(np.rint((values - low) / scale), 0, 2**bits - 1)
            least = min(least, np.sum((low + scale * codes - values) ** 2))
        return least

    assert best(w, 4) <= best(w, 3) <= best(w, 2)
    assert best(w[:3], 2) + best(w[3:], 2) <= best(w, 2)
    # And what is found by least squares comes near to the best.
    found = quantize(w[None], *solve(w[None], 2, "als_multistart"), 2, scales="float32")
    assert np.sum((found.dequantize() - w) ** 2) <= best(w, 2) * 1.3


def test_two_forms_of_a_product():
    rng = np.random.default_rng(5)
    w = rng.standard_normal((8, 32)).astype(np.float32)
    x = rng.standard_normal((4, 32)).astype(np.float32)
    made = quantize(w, *solve(w, 4, group_size=8), 4, group_size=8)
    grouped = x.reshape(4, 4, 8)
    codes = made.codes.reshape(8, 4, 8).astype(np.float32)
    products = np.einsum("bgk,rgk,rg->br", grouped, codes, made.scale)
    sums = grouped.sum(axis=2) @ made.offset.T
    np.testing.assert_allclose(
        x @ made.dequantize().T, products + sums, rtol=1e-5, atol=1e-5
    )


def test_a_range_of_other_weights_is_refused():
    w = np.zeros((2, 8), np.float32)
    with pytest.raises(ConfigError, match="does not belong"):
        quantize(w, *solve(w, 4), 4, group_size=4)
