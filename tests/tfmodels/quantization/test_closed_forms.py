"""Ranges of known densities: published constants, least noise, signal to noise."""

import numpy as np
import pytest
from scipy import integrate
from scipy import optimize
from scipy import special

from tests.tfmodels.quantization.test_ranges import mean_square
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.ranges import solve
from tfmodels.quantization.symmetric import aciq_bound

GAUSS = {
    2: (1.51817, 1.73884, 1.71064),
    3: (2.06928, 2.16112, 2.15159),
    4: (2.52254, 2.56209, 2.55914),
    8: (3.92234, 3.92405, 3.92404),
}
LAPLACE = {
    2: (2.41439, 2.87373, 2.83068),
    3: (3.68591, 3.91329, 3.89723),
    4: (4.92117, 5.03409, 5.02864),
    8: (9.88965, 9.89681, 9.89676),
}


# Least mean squares of any even grid (J. Max, 1960), and what ours is above them.
LEAST = {
    "gauss": {2: 0.11885, 3: 0.03744, 4: 0.011543, 8: 8.7686e-5},
    "laplace": {2: 0.39260, 3: 0.14350, 4: 0.050702, 8: 6.0284e-4},
}
ABOVE = {2: 1.0009, 3: 1.0004, 4: 1.0001, 8: 1.0}
ABOVE_OCTAV = {2: 1.0801, 3: 1.0140, 4: 1.0025, 8: 1.0}
STEPS = {
    "gauss": {2: 0.9957, 3: 0.5860, 4: 0.3352, 8: 0.0308},
    "laplace": {2: 1.5378, 3: 1.0337, 4: 0.6519, 8: 0.0776},
}
# Best signal to noise, decibels: any even grid; one with a level at 0.
DECIBELS = {
    "gauss": {2: 9.25, 3: 14.27, 4: 19.38, 8: 40.57},
    "laplace": {2: 7.07, 3: 11.44, 4: 15.96, 8: 35.21},
}
SIGNED = {2: 8.26, 3: 13.91, 4: 19.26, 8: 40.57}
# The same without the lowest level, whose steps are these.
NARROW = {2: 7.21, 3: 13.29, 4: 18.90, 8: 40.54}
NARROW_STEPS = {2: 1.2240, 3: 0.65077, 4: 0.35341, 8: 0.030870}


def density_noise(law: str, levels: int, step: float) -> float:
    """Mean square of rounding a density to an even grid around 0, by integrals."""
    # Levels above 0; below it is the same.
    points = (np.arange(levels // 2)[:, None] + (1 if levels % 2 else 0.5)) * step
    last = points[-1, 0]

    def density(x):
        if law == "laplace":
            return np.exp(-abs(x)) / 2
        return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)

    def half(centers, start, end):
        def lost(w):
            return w * w * density(centers + w)

        return float(np.sum(integrate.fixed_quad(lost, start, end, n=12)[0]))

    if law == "laplace":
        total = np.exp(-last)
    else:
        total = (1 + last**2) * special.ndtr(-last) - last * density(last)
    total += half(points, -step / 2, 0) + half(points[:-1], 0, step / 2)
    if levels % 2:
        total += half(np.zeros((1, 1)), 0, step / 2)
    return float(2 * total)


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """A million numbers of each density, of size 1."""
    # Of the heavier tail 50 samples alone lie beyond the range of 8 bits.
    return {
        "gauss": np.random.default_rng(10).standard_normal((1, 1_000_000)),
        "laplace": np.random.default_rng(14).laplace(size=(1, 1_000_000)),
    }


LAWS = [("gauss", GAUSS), ("laplace", LAPLACE)]


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize(("law", "table"), LAWS)
def test_closed_forms(law, table, bits):
    # Quantiles at even distances stand for the density.
    count = 1_000_000 if bits == 8 else 100_000
    places = (np.arange(count) + 0.5) / count
    if law == "gauss":
        w = special.ndtri(places)[None]
    else:
        w = (np.sign(places - 0.5) * -np.log1p(-abs(2 * places - 1)))[None]
    own, octav, aciq = table[bits]
    found = solve(w, bits)
    # The last quantiles stand for the whole tail.
    rel = 1e-2 if bits == 8 else 1e-3
    assert found.high[0, 0] == pytest.approx(own, rel=rel)
    assert found.low[0, 0] == pytest.approx(-found.high[0, 0], rel=1e-6)
    by_octav = solve(w, bits, "octav").high[0, 0]
    assert by_octav == pytest.approx(octav, rel=rel)
    # Noise of the density itself, beside that of the best even grid.
    levels, step = 2**bits, STEPS[law][bits]
    best = optimize.minimize_scalar(
        lambda size: density_noise(law, levels, size),
        bounds=(0.9 * step, 1.1 * step),
        method="bounded",
        options={"xatol": 1e-6},
    )
    assert best.x == pytest.approx(step, abs=6e-5)
    assert best.fun == pytest.approx(LEAST[law][bits], rel=1e-4)
    if law == "gauss":
        for bound, above in ((found.high, ABOVE), (by_octav, ABOVE_OCTAV)):
            noise = density_noise(law, levels, 2 * float(np.max(bound)) / (levels - 1))
            assert noise / best.fun == pytest.approx(above[bits], abs=5e-4)
    assert aciq_bound(bits, law) == pytest.approx(aciq, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize(("law", "table"), LAWS)
def test_closed_forms_of_a_million_samples(law, table, bits, drawn):
    w = drawn[law]
    own, octav, aciq = table[bits]
    low, high = (float(bound[0, 0]) for bound in solve(w, bits))
    assert high == pytest.approx(own, rel=1e-2)
    assert low == pytest.approx(-own, rel=1e-2)
    assert solve(w, bits, "octav").high[0, 0] == pytest.approx(octav, rel=1e-2)
    assert solve(w, bits, f"aciq_{law}").high[0, 0] == pytest.approx(aciq, rel=1e-2)
    found = mean_square(w, low, high, bits)
    if law == "gauss":
        assert found == pytest.approx(ABOVE[bits] * LEAST[law][bits], rel=2e-2)
    # From there to the best grid there is.
    best = optimize.minimize_scalar(
        lambda c: mean_square(w[:, ::10], -c, c, bits),
        bounds=(0.8 * own, 1.3 * own),
        method="bounded",
        options={"xatol": 1e-3},
    )
    least = mean_square(w, -best.x, best.x, bits)
    assert least == pytest.approx(LEAST[law][bits], rel=2e-2)
    assert least <= found * (1 + 5e-3)
    decibels = 10 * np.log10((2 if law == "laplace" else 1) / least)
    # 2 % of a mean square.
    assert decibels == pytest.approx(DECIBELS[law][bits], abs=0.09)


@pytest.mark.parametrize("bits", [2, 3, 4, pytest.param(8, marks=pytest.mark.slow)])
def test_a_grid_with_a_level_at_zero(bits, drawn):
    # A range of 8 bits is that of few samples.
    w = drawn["gauss"][:, : 1_000_000 if bits == 8 else 100_000].astype(np.float32)
    made = quantize(
        w, *solve(w, bits, "grid_symmetric"), bits, "symmetric"
    ).dequantize()
    found = 10 * np.log10(np.sum(w**2) / np.sum((w - made) ** 2))
    assert found == pytest.approx(SIGNED[bits], abs=0.08)
    # What is clipped first never has the lowest code.
    c = np.full((1, 1), NARROW_STEPS[bits] * (2 ** (bits - 1) - 1))
    inside = np.clip(w, -c, c).astype(np.float32)
    codes = quantize(inside, -c, c, bits, "symmetric", scales="float32")
    assert codes.codes.min() == 1
    found = 10 * np.log10(np.sum(w**2) / np.sum((w - codes.dequantize()) ** 2))
    assert found == pytest.approx(NARROW[bits], abs=0.08)
    step = NARROW_STEPS[bits]
    exact = -10 * np.log10(density_noise("gauss", 2**bits - 1, step))
    assert exact == pytest.approx(NARROW[bits], abs=0.005)


# Decibels in 4, 3 and 2 bits of 4096 groups of 128, of N(mean, 1).
TABLE = [
    (1, "grid_symmetric", "symmetric", (20.49, 14.37, 7.89)),
    (1, "minmax", "real", (22.97, 16.36, 9.00)),
    (1, "newton", "real", (23.44, 17.73, 12.46)),
    (1, "als", "real", (23.73, 17.95, 12.58)),
    (0, "symmetric_minmax", "symmetric", (18.56, 11.21, 2.30)),
    (0, "octav", "symmetric", (19.45, 13.44, 5.94)),
    (0, "newton", "real", (20.38, 14.69, 9.42)),
    (0, "als", "real", (20.67, 14.91, 9.54)),
]


@pytest.mark.parametrize(("mean", "method", "zero", "wanted"), TABLE)
def test_signal_to_noise(mean, method, zero, wanted):
    rng = np.random.default_rng(3)
    w = (rng.standard_normal((4096, 128)) + mean).astype(np.float32)
    for bits, decibels in zip((4, 3, 2), wanted, strict=True):
        made = quantize(w, *solve(w, bits, method), bits, zero).dequantize()
        found = 10 * np.log10(np.sum(w**2) / np.sum((w - made) ** 2))
        assert found == pytest.approx(decibels, abs=0.1)
