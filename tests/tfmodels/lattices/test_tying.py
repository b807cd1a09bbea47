"""Tables of tied states, and the trees that make them."""

import itertools

import numpy as np
import pytest

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices import decision_tree
from tfmodels.lattices.decision_tree import Key
from tfmodels.lattices.topology import chain
from tfmodels.lattices.topology import left_to_right
from tfmodels.lattices.tying import from_rows
from tfmodels.lattices.tying import left_biphone
from tfmodels.lattices.tying import monophone


def test_pdfs_of_the_word_loop():
    topologies = {phone: left_to_right(3) for phone in range(1, 16)}
    classes = [0, 0, *[phone % 2 for phone in range(14)]]
    tying = left_biphone(topologies, independent=[1], left_class=classes)
    assert tying.num_pdfs == 14 * 3 * 2 + 3 == 87
    used = [
        tying.pdfs(left, phone, right)
        for left, phone, right in itertools.product(range(16), range(1, 16), range(16))
    ]
    assert set(itertools.chain(*used)) == set(range(87))
    assert tying.pdfs(2, 5, 0) == tying.pdfs(4, 5, 9) != tying.pdfs(3, 5, 0)
    assert len({tying.pdfs(left, 1, 0) for left in range(16)}) == 1


def test_monophones_have_their_own_pdfs():
    tying = monophone({1: left_to_right(5), 2: chain(), 3: left_to_right(1)})
    assert tying.pdfs(0, 1, 2) == (0, 1, 2, 3, 4)
    assert tying.pdfs(1, 2, 0) == (5, 6)
    assert tying.pdfs(2, 3, 1) == (7,)
    assert tying.phone_of_pdf().tolist() == [1, 1, 1, 1, 1, 2, 2, 3]


def test_full_biphones_have_a_pdf_for_every_pair():
    topologies = {phone: chain() for phone in (1, 2, 3)}
    tying = left_biphone(topologies)
    assert tying.num_pdfs == 4 * 3 * 2
    pairs = itertools.product(range(4), (1, 2, 3))
    assert len({tying.pdfs(left, phone, 0) for left, phone in pairs}) == 12


def test_rows_of_a_foreign_tree():
    tying = from_rows({(0, 1, 2, 0): 4, (2, 1, 0, 0): 1})
    assert tying.pdfs(0, 1, 2) == (4,)
    assert tying.num_pdfs == 5
    assert tying.phone_of_pdf().tolist() == [0, 1, 0, 0, 1]
    with pytest.raises(DataError, match="no pdf in a context"):
        tying.pdfs(0, 1, 1)
    with pytest.raises(DataError, match="damaged"):
        from_rows({})


PHONES = (1, 2, 3, 4)
VOWELS, FRONT = frozenset({3, 4}), frozenset({2, 4})


def frames(mean: float, size: int, seed: int) -> np.ndarray:
    """Exactly that mean and variance 1, so that gains can be computed by hand."""
    found = np.random.RandomState(seed).randn(size, 2)
    found = (found - found.mean(axis=0)) / found.std(axis=0)
    return (found + mean).astype(np.float32)


def examples() -> list[tuple[np.ndarray, list[Key]]]:
    """Phone 2 changes with a vowel on its left, a little with a front phone after."""
    contexts = itertools.product((0, *PHONES), PHONES, (0, *PHONES))
    found = []
    for seed, (left, phone, right) in enumerate(contexts):
        mean = 10.0 * phone
        if phone == 2:
            mean += 5.0 * (left in VOWELS) + 1.0 * (right in FRONT)
        found.append((frames(mean, 20, seed), [Key(left, phone, right, 0)] * 20))
    return found


TOPOLOGIES = {phone: left_to_right(1) for phone in PHONES}


def grow(num_leaves: int, **options):
    moments = decision_tree.collect(examples())
    return decision_tree.grow(
        moments, TOPOLOGIES, [VOWELS, FRONT], num_leaves, **{"min_count": 1, **options}
    )


def test_tree_asks_what_tells_states_apart():
    tying = grow(5)
    assert tying.num_pdfs == 5
    vowel_before = {tying.pdfs(left, 2, right) for left in VOWELS for right in range(5)}
    others = {tying.pdfs(left, 2, right) for left in (0, 1, 2) for right in range(5)}
    assert len(vowel_before) == len(others) == 1
    assert vowel_before != others
    tying = grow(7)
    kinds = {
        (left in VOWELS, right in FRONT): tying.pdfs(left, 2, right)
        for left, right in itertools.product(range(5), repeat=2)
    }
    assert len(set(kinds.values())) == 4
    for left, right in itertools.product(range(5), repeat=2):
        assert tying.pdfs(left, 2, right) == kinds[left in VOWELS, right in FRONT]


def test_tree_stops_where_nothing_is_gained_or_too_little_is_left():
    assert grow(7, min_count=1).num_pdfs == 7
    # 10 of the 25 contexts of phone 2 have a vowel before: 200 frames.
    assert grow(5, min_count=200).num_pdfs == 5
    assert grow(5, min_count=201).num_pdfs == 4
    assert grow(100, independent=PHONES).num_pdfs == 4
    with pytest.raises(ConfigError, match="at least 4"):
        grow(3)


def test_states_that_were_never_seen_have_pdfs():
    moments = decision_tree.collect(examples()[:3])
    tying = decision_tree.grow(moments, TOPOLOGIES, [VOWELS], 10)
    contexts = itertools.product((0, *PHONES), PHONES, (0, *PHONES))
    assert {tying.pdfs(*context) for context in contexts} == {(0,), (1,), (2,), (3,)}


def test_log_likelihood_is_that_of_the_gaussian():
    values = np.random.RandomState(0).randn(50, 3) * [1, 2, 3] + 4
    mean, variance = values.mean(axis=0), values.var(axis=0)
    density = -0.5 * np.log(2 * np.pi * variance) - (values - mean) ** 2 / 2 / variance
    found = decision_tree.log_likelihood(50, values.sum(0), (values**2).sum(0))
    assert found == pytest.approx(density.sum())


def test_moments_of_unknown_states_are_refused():
    moments = decision_tree.collect([(np.zeros((1, 2), np.float32), [Key(0, 1, 9, 0)])])
    with pytest.raises(DataError, match="no phone has"):
        decision_tree.grow(moments, TOPOLOGIES, [VOWELS], 10)
