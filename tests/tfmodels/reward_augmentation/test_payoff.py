"""Tables of the payoff: published figures, hand values, exhaustive counts."""

import itertools
import math

import numpy as np
import pytest

from tfmodels.errors import ConfigError
from tfmodels.reward_augmentation.payoff import Payoff
from tfmodels.reward_augmentation.payoff import edit_pmf
from tfmodels.reward_augmentation.payoff import log_arrangements
from tfmodels.reward_augmentation.payoff import log_counts
from tfmodels.reward_augmentation.payoff import mean_edits
from tfmodels.reward_augmentation.payoff import tau_for
from tfmodels.reward_augmentation.payoff import warnings_for


def levenshtein(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    row = list(range(len(right) + 1))
    for i, token in enumerate(left, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(right, start=1):
            new = min(row[j] + 1, row[j - 1] + 1, before + (token != other))
            before, row[j] = row[j], new
    return row[-1]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (2, [1, 5, 11]),
        (3, [1, 7, 22, 45, 75, 114, 163]),
        (20, [1, 41, 821, 10721, 102891]),
    ],
)
def test_arrangements_of_edits(length: int, expected: list[int]):
    found = np.exp(log_arrangements(length, "edit"))
    np.testing.assert_allclose(found[: len(expected)], expected, rtol=1e-12)
    assert len(found) == 2 * length + 1


@pytest.mark.parametrize("num_tokens", [2, 61, 80_000])
def test_two_tokens_by_hand_whatever_the_vocabulary(num_tokens: int):
    pmf = edit_pmf(Payoff("edit", num_tokens, 1.0, max_edits=2), 2)
    np.testing.assert_allclose(pmf, [0.231049, 0.424991, 0.343960], atol=1e-6)


@pytest.mark.parametrize(
    ("max_edits", "expected"),
    [
        (3, [0.201673, 0.359819, 0.288236, 0.150272]),
        (
            "2m",
            [0.183743, 0.327830, 0.262611, 0.136912, 0.058161, 0.022533, 0.008212],
        ),
    ],
)
def test_edits_of_three_tokens(max_edits, expected: list[float]):
    pmf = edit_pmf(Payoff("edit", 10, 0.9, max_edits=max_edits), 3)
    np.testing.assert_allclose(pmf, expected, atol=1e-6)


def test_edits_of_twenty_phones_are_those_of_the_papers_first_figure():
    payoff = Payoff("edit", 61, 0.9, max_edits="author")
    pmf = edit_pmf(payoff, 20)
    expected = [0.000348, 0.002971, 0.012403, 0.033767, 0.067565]
    expected += [0.106203, 0.136946, 0.149418, 0.141247, 0.117905]
    assert len(pmf) == 20
    np.testing.assert_allclose(pmf[:10], expected, atol=1e-6)
    assert np.flatnonzero(pmf > 0.1).tolist() == [5, 6, 7, 8, 9]
    assert mean_edits(payoff, 20) == pytest.approx(7.616, abs=5e-4)
    literal = edit_pmf(payoff._replace(units="literal"), 20)
    assert np.argmax(literal) == 19


@pytest.mark.parametrize(
    ("num_tokens", "means"),
    [
        (61, [0.494, 1.628, 3.891, 5.543, 7.616, 13.024]),
        (32_000, [0.008, 0.115, 0.861, 1.943, 3.943, 13.024]),
        (80_000, [0.004, 0.078, 0.688, 1.662, 3.582, 13.024]),
    ],
)
def test_mean_edits_and_their_inverse(num_tokens: int, means: list[float]):
    for tau, mean in zip([0.6, 0.7, 0.8, 0.85, 0.9, 1.0], means, strict=True):
        payoff = Payoff("edit", num_tokens, tau, max_edits="author")
        assert mean_edits(payoff, 20) == pytest.approx(mean, abs=6e-4)
        found = tau_for(payoff, 20, mean_edits(payoff, 20) / 20)
        assert found == pytest.approx(tau, rel=1e-6)


@pytest.mark.parametrize(
    ("units", "expected", "rate"),
    [
        ("author", [0.502434, 0.388708, 0.100241, 0.008617], 0.205014),
        ("literal", [0.016070, 0.142833, 0.423177, 0.417920], 0.747649),
    ],
)
def test_hamming_is_binomial(units, expected: list[float], rate: float):
    pmf = edit_pmf(Payoff("hamming", 10, 0.9, units), 3)
    np.testing.assert_allclose(pmf, expected, atol=1e-6)
    binomial = [math.comb(3, e) * rate**e * (1 - rate) ** (3 - e) for e in range(4)]
    np.testing.assert_allclose(pmf, binomial, atol=3e-6)


@pytest.mark.parametrize(
    ("num_tokens", "tau", "rate"),
    [
        (61, 0.9, 0.172782),
        (4000, 0.85, 0.066603),
        (32_000, 0.85, 0.047107),
        (32_000, 0.9, 0.094173),
        (5, 1.0, 0.268941),
    ],
)
def test_share_of_tokens_replaced(num_tokens: int, tau: float, rate: float):
    share = mean_edits(Payoff("hamming", num_tokens, tau), 20) / 20
    assert share == pytest.approx(rate, abs=1e-6)


def test_hamming_normaliser_by_enumeration():
    tau, reference = 0.7, (0, 1, 2)
    total = sum(
        math.exp(-sum(a != b for a, b in zip(y, reference, strict=True)) / tau)
        for y in itertools.product(range(3), repeat=3)
    )
    payoff = Payoff("hamming", 3, tau, "literal")
    logs = log_counts(payoff, 3) - np.arange(4) * payoff.cost
    assert total == pytest.approx(3.237208, abs=1e-6)
    assert np.exp(logs).sum() == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize(
    ("num_tokens", "reference", "exact", "counted"),
    [
        (3, (0, 1, 2), [1, 18, 111, 410], [1, 21, 198, 1215]),
        (3, (0, 0, 0), [1, 16, 92, 360], [1, 21, 198, 1215]),
        (4, (0, 1, 2, 3), [1, 32, 398, 2858], [1, 36, 592, 6208]),
    ],
)
def test_counts_approximate_the_number_of_strings_at_a_distance(
    num_tokens: int, reference: tuple[int, ...], exact: list[int], counted: list[int]
):
    length = len(reference)
    found = [0] * len(exact)
    for other in range(length + len(exact)):
        for string in itertools.product(range(num_tokens), repeat=other):
            distance = levenshtein(string, reference)
            if distance < len(exact):
                found[distance] += 1
    runs = len(list(itertools.groupby(reference)))
    assert found == exact
    assert found[1] == 2 * length * (num_tokens - 1) + num_tokens + runs
    counts = np.exp(log_counts(Payoff("edit", num_tokens, 1.0), length))
    np.testing.assert_allclose(counts[: len(counted)], counted, rtol=1e-12)


def test_counts_of_one_edit_become_exact_as_the_vocabulary_grows():
    ratios = []
    for num_tokens in (4, 100, 10_000, 10**6):
        exact = 2 * 4 * (num_tokens - 1) + num_tokens + 4
        counted = np.exp(log_counts(Payoff("edit", num_tokens, 1.0), 4))[1]
        ratios.append(exact / counted)
    assert ratios[0] == pytest.approx(32 / 36)
    assert ratios == sorted(ratios)
    assert ratios[-1] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("edits", ["edit", "hamming"])
@pytest.mark.parametrize("max_edits", ["2m", "author", 0])
def test_an_empty_reference_has_no_edits(edits, max_edits):
    pmf = edit_pmf(Payoff(edits, 5, 0.9, max_edits=max_edits), 0)
    assert pmf.tolist() == [1.0]


def test_temperatures_that_do_nothing_or_destroy_are_warned_of():
    assert "almost plain" in warnings_for(Payoff("edit", 32_000, 0.6), 20)[0]
    assert warnings_for(Payoff("edit", 61, 0.9, max_edits="author"), 20) == []
    literal = Payoff("edit", 61, 0.85, "literal", "author")
    assert "mostly destroyed" in warnings_for(literal, 20)[0]


@pytest.mark.parametrize(("num_tokens", "tau"), [(1, 0.9), (5, 0.0)])
def test_no_distribution(num_tokens: int, tau: float):
    with pytest.raises(ConfigError, match="at least 2 ordinary tokens"):
        edit_pmf(Payoff("edit", num_tokens, tau), 3)


def test_no_temperature_edits_more_than_all():
    with pytest.raises(ConfigError, match="Expected a share between"):
        tau_for(Payoff("hamming", 10, 1.0), 5, 1.5)
