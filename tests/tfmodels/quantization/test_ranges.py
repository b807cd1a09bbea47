"""Clipping ranges against exact rationals, closed forms, brute force and invariants."""

import math

import numpy as np
import pytest
from scipy import optimize

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.quantization import newton as newton_module
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.ranges import METHODS
from tfmodels.quantization.ranges import solve


def noise(w: np.ndarray, low: float, high: float, bits: int) -> float:
    steps = 2**bits - 1
    clipped = np.maximum(w - high, 0) ** 2 + np.maximum(low - w, 0) ** 2
    return (high - low) ** 2 / (12 * steps**2) + clipped.mean()


def samples(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    outlier = rng.standard_normal(64)
    outlier[3] = 1000
    return [
        rng.standard_normal(32),
        rng.laplace(size=17),
        rng.standard_cauchy(128),
        outlier,
        rng.integers(-2, 3, 40).astype(float),
        rng.random(9) + 5,
        np.array([1.0, 2.0]),
        np.array([0.0] * 20 + [1.0]),
    ]


def mean_square(w: np.ndarray, low: float, high: float, bits: int) -> float:
    steps = 2**bits - 1
    scale = (high - low) / steps
    codes = np.clip(np.rint((w - low) / scale), 0, steps)
    return float(np.mean((low + scale * codes - w) ** 2))


@pytest.mark.parametrize(
    ("w", "low", "high", "least", "full"),
    [
        ([-1, 0, 1, 2, 3, 10], -9 / 20, 189 / 20, 121 / 120, 121 / 108),
        ([0, 0, 0, 1, 1, 2, 2, 20], 40 / 89, 1660 / 89, 300 / 89, 400 / 108),
    ],
)
def test_hand_examples(w, low, high, least, full):
    w = np.array(w, np.float64)
    found = solve(w[None], 2)
    assert found.low[0, 0] == pytest.approx(low, rel=1e-9)
    assert found.high[0, 0] == pytest.approx(high, rel=1e-9)
    assert noise(w, low, high, 2) == pytest.approx(least, rel=1e-9)
    assert noise(w, w.min(), w.max(), 2) == pytest.approx(full, rel=1e-9)


def test_codes_of_the_hand_example():
    w = np.array([[-1, 0, 1, 2, 3, 10]], np.float64)
    errors = {}
    for method in ("newton", "minmax"):
        made = quantize(w, *solve(w, 2, method), 2, scales="float32")
        errors[method] = np.mean((made.dequantize() - w) ** 2)
        if method == "newton":
            assert made.codes.tolist() == [[0, 0, 0, 1, 1, 3]]
    assert errors["newton"] == pytest.approx(731 / 1200, rel=1e-6)
    assert errors["minmax"] == pytest.approx(13 / 18, rel=1e-6)
    # Without the float32 of scales and offsets.
    low, high = (float(bound[0, 0]) for bound in solve(w, 2))
    assert mean_square(w, low, high, 2) == pytest.approx(731 / 1200, rel=1e-9)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_nothing_near_or_far_is_better_than_newton(bits):
    rng = np.random.default_rng(1)
    for w in samples():
        low, high = (float(bound[0, 0]) for bound in solve(w[None], bits))
        width = high - low
        up = width / (6 * (2**bits - 1) ** 2) - 2 * np.maximum(w - high, 0).mean()
        down = -width / (6 * (2**bits - 1) ** 2) + 2 * np.maximum(low - w, 0).mean()
        assert abs(up) <= 1e-9 * np.ptp(w)
        assert abs(down) <= 1e-9 * np.ptp(w)
        least = noise(w, low, high, bits)
        moves = rng.standard_normal((400, 2)) * np.ptp(w) * 10 ** -rng.uniform(0, 6)
        for a, b in moves:
            assert noise(w, low + a, high + b, bits) >= least * (1 - 1e-12)
        found = optimize.minimize(
            lambda p, w=w: noise(w, p[0], p[1], bits),
            [w.min(), w.max()],
            method="Nelder-Mead",
        )
        assert least <= found.fun * (1 + 1e-9)


def test_bisection_finds_what_newton_does(monkeypatch):
    wanted = [solve(w[None], 3) for w in samples()]
    monkeypatch.setattr(newton_module, "_LIMIT", 1)
    for w, (low, high) in zip(samples(), wanted, strict=True):
        found = solve(w[None], 3)
        np.testing.assert_allclose(found.low, low, atol=1e-9 * np.ptp(w))
        np.testing.assert_allclose(found.high, high, atol=1e-9 * np.ptp(w))


def test_many_bits_clip_nothing(monkeypatch):
    monkeypatch.setattr(newton_module, "num_steps", lambda bits: 2**bits - 1)
    for w in samples():
        low, high = newton_module.newton(w[None], 16)
        assert low[0] - w.min() == pytest.approx(0, abs=1e-6 * np.ptp(w))
        assert w.max() - high[0] == pytest.approx(0, abs=1e-6 * np.ptp(w))
        # No error is above half a step.
        step = np.ptp(w) / (2**16 - 1)
        assert mean_square(w, float(low[0]), float(high[0]), 16) <= step**2 / 4


def test_importance_counts_like_repetition():
    rng = np.random.default_rng(2)
    w, counts = rng.standard_normal(20), rng.integers(0, 4, 20)
    repeated = np.repeat(w, counts)[None]
    for method in ("newton", "exact_symmetric", "octav", "aciq_gauss", "als"):
        weighed = solve(w[None], 3, method, importance=counts.astype(float))
        plain = solve(repeated, 3, method)
        np.testing.assert_allclose(weighed, plain, rtol=1e-9, err_msg=method)


def test_newton_needs_few_steps(monkeypatch):
    # Never more than 12 on over a million groups of such kinds, says the source.
    rng = np.random.default_rng(11)
    monkeypatch.setattr(newton_module, "_LIMIT", 13)
    monkeypatch.setattr(newton_module._Block, "_bisect", None)
    for width in (2, 3, 17, 64):
        shape = (4000, width)
        outlier = rng.standard_normal(shape)
        outlier[:, 0] = 1000
        kinds = [
            rng.standard_normal(shape),
            rng.laplace(size=shape),
            rng.standard_cauchy(shape),
            outlier,
            rng.integers(-3, 4, shape).astype(float),
            rng.random(shape) + 5,
        ]
        for bits in (2, 4, 8):
            for w in kinds:
                low, high = solve(w, bits)
                assert (low[:, 0] >= w.min(axis=1)).all()
                assert (high[:, 0] <= w.max(axis=1)).all()


def test_a_grid_of_all_ranges_has_nothing_better():
    w = np.random.default_rng(12).standard_t(3, 8)
    low, high = (float(bound[0, 0]) for bound in solve(w[None], 2))
    ends = np.linspace(w.min(), w.max(), 400)
    lows, highs = np.meshgrid(ends, ends, indexing="ij")
    clipped = np.maximum(w - highs[..., None], 0) ** 2
    clipped += np.maximum(lows[..., None] - w, 0) ** 2
    all_noise = (highs - lows) ** 2 / 108 + clipped.mean(axis=-1)
    place = np.unravel_index(np.argmin(all_noise), all_noise.shape)
    assert abs(lows[place] - low) <= ends[1] - ends[0]
    assert abs(highs[place] - high) <= ends[1] - ends[0]
    assert noise(w, low, high, 2) <= all_noise.min()


EQUIVARIANT = ("newton", "als", "als_multistart", "minmax", "percentile", "grid_2d")


@pytest.mark.parametrize("method", EQUIVARIANT)
def test_a_range_moves_with_its_weights(method):
    w = np.random.default_rng(4).standard_normal((5, 24))
    plain, moved = solve(w, 3, method), solve(0.02 * w + 7, 3, method)
    np.testing.assert_allclose(moved.low, 0.02 * plain.low + 7, rtol=1e-7)
    np.testing.assert_allclose(moved.high, 0.02 * plain.high + 7, rtol=1e-7)
    if method in ("newton", "minmax"):
        turned = solve(-w, 3, method)
        np.testing.assert_allclose(turned.low, -plain.high, rtol=1e-9)


@pytest.mark.parametrize("method", ["exact_symmetric", "octav", "grid_symmetric"])
def test_symmetric_ranges_scale_but_do_not_move(method):
    w = np.random.default_rng(5).standard_normal((5, 24))
    plain, scaled = solve(w, 3, method), solve(0.02 * w, 3, method)
    np.testing.assert_allclose(scaled.high, 0.02 * plain.high, rtol=1e-9)
    moved = solve(w + 1, 3, method)
    assert abs(moved.high - plain.high - 1).max() > 0.1


def test_exact_symmetric_is_the_minimum():
    w = np.random.default_rng(6).standard_cauchy((4, 30))
    for row, c in zip(w, solve(w, 3, "exact_symmetric").high[:, 0], strict=True):
        tried = np.linspace(0, abs(row).max(), 20_001)
        excess = np.maximum(abs(row)[None] - tried[:, None], 0)
        best = tried[np.argmin(tried**2 / (12 * 9) + np.mean(excess**2, axis=1))]
        assert c == pytest.approx(best, abs=tried[1])


def test_refinement_never_raises_the_error():
    rng = np.random.default_rng(7)
    w = rng.standard_t(3, (200, 16))

    def errors(method):
        found = quantize(w, *solve(w, 2, method), 2, scales="float32").dequantize()
        return np.sum((found - w) ** 2, axis=1)

    assert (errors("als") <= errors("newton") + 1e-6).all()
    assert (errors("als_multistart") <= errors("minmax") + 1e-6).all()
    assert errors("als_multistart").sum() < errors("als").sum()


def test_ragged_groups_are_rows_of_their_own():
    w = np.random.default_rng(8).standard_normal((3, 43)).astype(np.float32)
    for method in METHODS:
        low, high = solve(w, 4, method, group_size=16)
        for number, start in enumerate((0, 16, 32)):
            own = solve(w[:, start : start + 16], 4, method)
            np.testing.assert_array_equal(low[:, [number]], own.low)
            np.testing.assert_array_equal(high[:, [number]], own.high)
    tensor = solve(w, 4, "newton", "tensor")
    np.testing.assert_array_equal(tensor.low, tensor.low[0, 0])


@pytest.mark.parametrize("width", [32, 300, 5000])
def test_a_row_never_depends_on_its_neighbours(width):
    w = np.random.default_rng(9).standard_normal((33, width)).astype(np.float32)
    whole = solve(w, 4)
    for rows in (slice(0, 1), slice(1, 3), slice(3, 33)):
        part = solve(w[rows], 4)
        np.testing.assert_array_equal(part.low, whole.low[rows])
        np.testing.assert_array_equal(part.high, whole.high[rows])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 0.3, -7.25])
def test_equal_weights_are_exact(method, value):
    if method.startswith(("octav", "exact", "grid_s", "symmetric")) and value:
        return  # a symmetric range is not empty
    w = np.full((2, 7), value, np.float32)
    made = quantize(w, *solve(w, 4, method), 4)
    if not method.startswith(("octav", "exact", "grid_s", "symmetric")):
        assert not made.codes.any()
    np.testing.assert_array_equal(made.dequantize(), w)
    alone = np.array([[0.7], [0.0]], np.float32)
    found = quantize(alone, *solve(alone, 4, method), 4).dequantize()
    if method.startswith(("octav", "exact", "grid_s", "symmetric")):
        assert np.isfinite(found).all()
    else:
        np.testing.assert_array_equal(found, alone)


def test_bad_input_is_named():
    w = np.ones((2, 3), np.float32)
    for bits in (1, 9):
        with pytest.raises(ConfigError, match="bits"):
            solve(w, bits)
    with pytest.raises(ConfigError, match="newton"):
        solve(w, 4, "newtom")
    with pytest.raises(ConfigError, match="group_size"):
        solve(w, 4, group_size=0)
    for bad in (math.nan, math.inf):
        with pytest.raises(DataError, match="block1"):
            solve(np.array([[1, bad]]), 4, name="block1")
    with pytest.raises(DataError, match="no weights"):
        solve(np.zeros((2, 0)), 4)
