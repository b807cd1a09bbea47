"""Probabilities of words and phones against values computed by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest

from tfmodels.errors import ConfigError
from tfmodels.lattices.grammar import BOUNDARY
from tfmodels.lattices.language_model import BEGIN
from tfmodels.lattices.language_model import END
from tfmodels.lattices.language_model import BackoffModel
from tfmodels.lattices.language_model import estimate
from tfmodels.lattices.language_model import from_bigram
from tfmodels.lattices.phone_model import estimate_phones

SENTENCES = [(1, 2), (1, 1), (2,)]


def test_unigram_is_counts_plus_one():
    model = estimate(SENTENCES, (1, 2, 3), order=1)
    # Counts 3, 2, 0 and three ends, each plus one, of 12.
    for word, count in ((1, 4), (2, 3), (3, 1), (END, 4)):
        assert model.log_prob((), word) == pytest.approx(math.log(count / 12))
    assert model.start == ()
    assert model.follow((), 2).target == ()


def test_bigram_hands_its_discount_to_what_never_followed():
    model = estimate(SENTENCES, (1, 2, 3), order=2, discount=0.5)
    # After <s>: 1 twice, 2 once; half of each count goes to words 3 and the end.
    assert model.log_prob((BEGIN,), 1) == pytest.approx(math.log(1.5 / 3))
    assert model.log_prob((BEGIN,), 2) == pytest.approx(math.log(0.5 / 3))
    weight = Fraction(1, 3) / (Fraction(1, 12) + Fraction(4, 12))
    assert model.log_prob((BEGIN,), 3) == pytest.approx(math.log(weight / 12))
    assert model.log_prob((BEGIN,), END) == pytest.approx(math.log(weight * 4 / 12))
    # Nothing ever followed word 3.
    assert model.follow((BEGIN,), 3).target == ()
    assert model.follow((BEGIN,), 1).target == (1,)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    "sentences", [SENTENCES, [(1,)], [(1, 2, 3), (2, 1), (3,), ()]]
)
def test_probabilities_add_up_to_one(order, sentences):
    model = estimate(sentences, (1, 2, 3), order=order)
    for history in model.histories:
        arcs = [arc.weight for arc in model.arcs(history)]
        assert np.exp([*arcs, model.final(history)]).sum() == pytest.approx(1)
        assert [arc.label for arc in model.arcs(history)] == [1, 2, 3]


def test_history_that_everything_followed_is_not_discounted():
    model = estimate([(1, 1, 1), (1, 2), ()], (1, 2), discount=0.5)
    # After 1: 1 twice, 2 once, the end once.
    assert model.log_prob((1,), 1) == pytest.approx(math.log(0.5))


def test_backing_off_shortens_the_history_once_at_a_time():
    log = math.log
    model = BackoffModel(
        {
            (1,): log(0.5),
            (2,): log(0.3),
            (END,): log(0.2),
            (1, 2): log(0.6),
            (1, 2, 1): log(0.9),
        },
        {(1,): log(0.8), (2,): log(0.7), (1, 2): log(0.1)},
    )
    assert model.log_prob((1, 2), 1) == pytest.approx(log(0.9))
    assert model.log_prob((1, 2), 2) == pytest.approx(log(0.1 * 0.7 * 0.3))
    assert model.log_prob((1,), END) == pytest.approx(log(0.8 * 0.2))
    assert model.follow((1, 2), 1).target == (1,)
    assert model.follow((1,), 2).target == (1, 2)
    # (2,) has no longer n-grams, but its weight counts.
    assert model.follow((2,), 2).target == (2,)


def test_what_estimates_cannot_be_is_refused():
    for options in ({"order": 3}, {"discount": 0.0}, {"discount": 1.0}):
        with pytest.raises(ConfigError, match="Expected"):
            estimate(SENTENCES, (1, 2), **options)
    with pytest.raises(ConfigError, match="full_order"):
        estimate_phones([(1,)], order=2, full_order=3)


def draw(seed: int) -> list[tuple[int, ...]]:
    choose = np.random.RandomState(seed)
    return [tuple(choose.randint(1, 4, choose.randint(1, 9))) for _ in range(60)]


def log_likelihood(model, sequences) -> float:
    total = 0.0
    for sequence in sequences:
        state = model.start
        for phone in sequence:
            arc = model.follow(state, phone)
            total, state = total + arc.weight, arc.target
        total += model.final(state)
    return total


def test_trigram_of_phones_is_relative_frequencies():
    sequences = draw(0)
    model = estimate_phones(sequences, order=3)
    for state in model.log_probs:
        followers = [
            padded[place]
            for padded in ((BOUNDARY, *sequence, BOUNDARY) for sequence in sequences)
            for place in range(1, len(padded))
            if padded[max(0, place - 2) : place] == state
        ]
        for phone, log_prob in model.log_probs[state].items():
            share = followers.count(phone) / len(followers)
            assert math.exp(log_prob) == pytest.approx(share)


def test_longer_histories_are_kept_where_they_help():
    sequences = draw(1)
    likelihoods, sizes = [], []
    for extra in (0, 1, 3, 8, 1000):
        model = estimate_phones(sequences, 4, num_extra_states=extra)
        for state, log_probs in model.log_probs.items():
            assert np.exp(list(log_probs.values())).sum() == pytest.approx(1)
            assert state == model.start or len(state) in (2, 3)
        likelihoods.append(log_likelihood(model, sequences))
        sizes.append(sum(len(state) == 3 for state in model.log_probs))
    assert likelihoods == sorted(likelihoods)
    assert sizes[:4] == [0, 1, 3, 8]
    trigram = estimate_phones(sequences, 3)
    assert likelihoods[0] == pytest.approx(log_likelihood(trigram, sequences))
    full = estimate_phones(sequences, 4, full_order=4)
    assert likelihoods[-1] == pytest.approx(log_likelihood(full, sequences))


def test_unseen_phones_cannot_follow():
    model = estimate_phones([(1, 2)])
    assert model.follow(model.start, 2) is None
    assert model.final(model.start) < -1e29
    assert [arc.label for arc in model.arcs(model.start)] == [1]


def test_a_bigram_that_is_known_in_full():
    probs = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    model = from_bigram(probs)
    assert model.log_prob((BEGIN,), 2) == pytest.approx(math.log(0.8))
    assert model.log_prob((1,), 2) == pytest.approx(math.log(0.5))
    assert [arc.label for arc in model.arcs(model.start)] == [1, 2]
    # What never follows has no arc, and the end costs nothing.
    assert [arc.label for arc in model.arcs((2,))] == [1]
    assert model.final((2,)) == 0
    # Where the word before says nothing there is a single state.
    uniform = from_bigram(np.full((4, 3), 1 / 3))
    assert uniform.histories == {()}
    assert uniform.log_prob(uniform.start, 3) == pytest.approx(math.log(1 / 3))
