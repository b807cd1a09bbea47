"""The vectorised sampler: its law, its reference in NumPy, what it never does."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.reward_augmentation.test_payoff import levenshtein
from tfmodels.reward_augmentation import reference
from tfmodels.reward_augmentation.payoff import Payoff
from tfmodels.reward_augmentation.payoff import edit_pmf
from tfmodels.reward_augmentation.payoff import replacement_pmf
from tfmodels.reward_augmentation.sampler import COUNT
from tfmodels.reward_augmentation.sampler import INSERTED
from tfmodels.reward_augmentation.sampler import REPLACED
from tfmodels.reward_augmentation.sampler import Sampled
from tfmodels.reward_augmentation.sampler import Sampler
from tfmodels.reward_augmentation.sampler import random_numbers

FIRST = 4
LEAST_P = 1e-3


def keys_of(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**32, (rows, 3)).astype(np.uint32)


def draw(payoff: Payoff, ids, lengths=None, keys=None, tail: int = 0) -> Sampled:
    """Draws with what may be left out filled in; NumPy arrays."""
    ids = np.asarray(ids, np.int32)
    if lengths is None:
        lengths = np.full(len(ids), ids.shape[1])
    keys = keys_of(len(ids)) if keys is None else keys
    sampler = Sampler(payoff, FIRST, 40)
    allowed = np.ones(ids.shape, bool)
    drawn = sampler(ids, lengths, allowed, tf.constant(keys), payoff.tau, tail)
    return Sampled(*(value.numpy() for value in drawn))


def chi_square_p(counts: np.ndarray, expected: np.ndarray) -> float:
    """p of Pearson's test; rare outcomes are taken together."""
    from scipy import stats

    common = expected >= 10
    counts = np.append(counts[common], counts[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    if expected[-1] < 10:
        counts, expected = counts[:-1], expected[:-1]
    statistic = np.sum((counts - expected) ** 2 / expected)
    return float(stats.chi2.sf(statistic, len(counts) - 1))


@pytest.mark.parametrize("edits", ["hamming", "edit"])
def test_each_row_is_what_the_reference_makes_of_the_same_numbers(edits):
    random = np.random.default_rng(1)
    payoff = Payoff(edits, 12, 1.0)
    lengths = random.integers(0, 10, 150)
    # Some tokens before and after the 12 ordinary ones stay where they are.
    ids = random.integers(1, 20, (150, 9)) * (np.arange(9) < lengths[:, None])
    keys = keys_of(150)
    drawn = draw(payoff, ids, lengths, keys)
    numbers = [
        [half.numpy() for half in random_numbers(tf.constant(keys), count, purpose)]
        for count, purpose in ((1, COUNT), (9, REPLACED), (30, INSERTED))
    ]
    for row in range(150):
        number, replaced, inserted = (np.stack([a[row], b[row]]) for a, b in numbers)
        expected, distance = reference.sample(
            ids[row, : lengths[row]].tolist(),
            payoff,
            FIRST,
            reference.Numbers((number[0, 0], number[1, 0]), replaced, inserted),
        )
        assert drawn.ids[row, : drawn.lengths[row]].tolist() == expected
        assert drawn.distance[row] == distance
        assert not drawn.ids[row, drawn.lengths[row] :].any()


@pytest.mark.parametrize("edits", ["hamming", "edit"])
def test_numbers_of_edits_follow_the_payoff(edits):
    payoff = Payoff(edits, 61, 0.9, max_edits="author")
    drawn = draw(payoff, np.full([100_000, 20], FIRST))
    pmf = edit_pmf(payoff, 20)
    counts = np.bincount(drawn.distance, minlength=len(pmf))
    assert chi_square_p(counts, 1e5 * pmf) > LEAST_P


def test_replacements_among_edits_follow_the_law_of_the_stratum():
    # All edits 2 of 3 tokens; a token of its own at each place tells what remains.
    payoff = Payoff("edit", 50_000, 1e3, max_edits=2)
    ids = np.tile(np.arange(3) + FIRST, (20_000, 1))
    drawn = draw(payoff, ids)
    two = drawn.distance == 2
    kept = (drawn.ids[two][:, :, None] == ids[two][:, None]).any(axis=1).sum(axis=1)
    counts = np.bincount(3 - kept, minlength=4)
    assert two.mean() > 0.99
    assert chi_square_p(counts, two.sum() * replacement_pmf(3, 2)) > LEAST_P


def test_outputs_are_as_probable_as_their_ways_are_many():
    # Each way to place 2 edits once, with tokens none of which occurs by chance.
    payoff = Payoff("edit", 2, 0.9, max_edits=2)
    drawn = draw(payoff, np.tile([FIRST, FIRST + 1], (60_000, 1)))
    words = [
        "".join(map(str, y[:n]))
        for y, n in zip(drawn.ids - FIRST, drawn.lengths, strict=True)
    ]
    expected: dict[str, float] = {}
    pmf, ways = edit_pmf(payoff, 2), [1, 5, 11]
    for e, outcomes in enumerate(enumerated(2, (0, 1))):
        for word, count in outcomes.items():
            share = pmf[e] * count / (ways[e] * 2**e)
            expected[word] = expected.get(word, 0) + share
    assert sum(expected.values()) == pytest.approx(1)
    assert set(words) <= set(expected)
    names = sorted(expected)
    counts = np.array([words.count(name) for name in names])
    probable = np.array([expected[name] for name in names])
    assert chi_square_p(counts, 60_000 * probable) > LEAST_P


def enumerated(most: int, tokens: tuple[int, int]) -> list[dict[str, int]]:
    """For each number of edits of two tokens, how often each output is made of 01.

    From the definition: a set of replaced places, what each becomes ("" for nothing),
    and a sequence of insertions for each gap between the places that are left.
    """
    found: list[dict[str, int]] = [{} for _ in range(most + 1)]
    for replaced in ((), (0,), (1,), (0, 1)):
        others = [
            ["", str(1 - tokens[i])] if i in replaced else [str(tokens[i])]
            for i in range(2)
        ]
        num_gaps = 3 - len(replaced)
        for total in range(most + 1 - len(replaced)):
            splits = [
                split
                for split in itertools.product(range(total + 1), repeat=num_gaps)
                if sum(split) == total
            ]
            for split in splits:
                for new in itertools.product("01", repeat=total):
                    rest = iter(new)
                    gaps = [[next(rest) for _ in range(n)] for n in split]
                    for middle in itertools.product(*others):
                        word, gap = "", 0
                        for place in range(2):
                            if place not in replaced:
                                word += "".join(gaps[gap])
                                gap += 1
                            word += middle[place]
                        word += "".join(gaps[gap])
                        table = found[len(replaced) + total]
                        table[word] = table.get(word, 0) + 1
    return found


def test_replaced_places_and_tokens_are_uniform_and_never_the_same_token():
    payoff = Payoff("hamming", 7, 1.0)
    ids = np.full([40_000, 10], FIRST + 3)
    drawn = draw(payoff, ids)
    changed = drawn.ids != ids
    assert (changed.sum(axis=1) == drawn.distance).all()
    places = changed.sum(axis=0)
    assert chi_square_p(places, np.full(10, places.mean())) > LEAST_P
    tokens = np.bincount(drawn.ids[changed] - FIRST, minlength=7)
    assert tokens[3] == 0
    tokens = np.delete(tokens, 3)
    assert chi_square_p(tokens, np.full(6, tokens.mean())) > LEAST_P
    # Equal to independent replacement of each token: places are uncorrelated.
    together = np.corrcoef(changed.T.astype(float))
    assert np.abs(together - np.eye(10)).max() < 0.025


def test_edit_distance_is_at_most_the_number_of_edits_and_mostly_equal():
    random = np.random.default_rng(5)
    payoff = Payoff("edit", 1000, 0.85, max_edits="author")
    ids = random.integers(FIRST, FIRST + 1000, (1000, 12))
    drawn = draw(payoff, ids)
    equal = 0
    for y, n, e, r in zip(drawn.ids, drawn.lengths, drawn.distance, ids, strict=True):
        distance = levenshtein(tuple(y[:n]), tuple(r))
        assert distance <= e
        assert abs(n - 12) <= e
        equal += distance == e
    assert drawn.distance.mean() > 1
    assert equal > 950


@pytest.mark.parametrize("edits", ["hamming", "edit"])
def test_special_tokens_stay_and_are_never_made(edits):
    payoff = Payoff(edits, 8, 3.0)
    end, unknown = 2, 3
    row = [FIRST, unknown, FIRST + 1, FIRST + 2, unknown, end, 0, 0]
    drawn = draw(payoff, np.tile(row, (2000, 1)), np.full(2000, 6), tail=1)
    for ids, length in zip(drawn.ids, drawn.lengths, strict=True):
        made = ids[:length].tolist()
        assert made[-1] == end
        assert [token for token in made if token < FIRST] == [unknown, unknown, end]
        assert max(made) < FIRST + 8
        assert not ids[length:].any()
    assert drawn.distance.max() <= (3 if edits == "hamming" else 6)
    assert drawn.distance.mean() > 1


def test_samples_do_not_depend_on_batch_or_padding():
    payoff = Payoff("edit", 30, 1.0)
    random = np.random.default_rng(2)
    ids, keys = random.integers(FIRST, 34, (8, 6)), keys_of(8)
    whole = draw(payoff, ids, keys=keys)
    padded = draw(payoff, np.pad(ids, [(0, 0), (0, 5)]), np.full(8, 6), keys)
    for row in range(8):
        alone = draw(payoff, ids[row : row + 1], keys=keys[row : row + 1])
        expected = alone.ids[0].tolist()
        for drawn in (whole, padded):
            assert drawn.ids[row, : drawn.lengths[row]].tolist() == expected
            assert drawn.distance[row] == alone.distance[0]


def test_a_low_temperature_changes_nothing_and_a_high_one_everything():
    random = np.random.default_rng(3)
    ids = random.integers(FIRST, FIRST + 5, (20_000, 6))
    for edits in ("edit", "hamming"):
        cold = draw(Payoff(edits, 5, 1e-3), ids)
        assert not cold.distance.any()
        np.testing.assert_array_equal(cold.ids, ids)
    hot = draw(Payoff("hamming", 5, 1e9, "literal"), ids)
    moved = np.bincount((hot.ids - ids).ravel() % 5, minlength=5)
    assert chi_square_p(moved, np.full(5, moved.mean())) > LEAST_P


def test_log_probability_of_hamming_draws_is_exact():
    payoff = Payoff("hamming", 4, 0.8)
    ids = np.tile(np.arange(4) + FIRST, (60_000, 1))
    drawn = draw(payoff, ids)
    codes = (drawn.ids - FIRST) @ (4 ** np.arange(4))
    probs = np.zeros(256)
    probs[codes] = np.exp(drawn.log_prob)
    assert probs.sum() == pytest.approx(1, abs=0.01)
    assert chi_square_p(np.bincount(codes, minlength=256), 60_000 * probs) > LEAST_P


def test_too_long_a_reference_names_the_key():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"objective\.max_tokens"):
        draw(Payoff("hamming", 5, 1.0), np.full([1, 41], FIRST))
