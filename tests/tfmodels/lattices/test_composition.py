"""Graphs of words and phones against paths that are written out one by one."""

import itertools
from collections import Counter

import numpy as np
import pytest

from tests.tfmodels.lattices.speech import LEXICON
from tests.tfmodels.lattices.speech import SENTENCES
from tests.tfmodels.lattices.speech import SILENCE
from tests.tfmodels.lattices.speech import SILENCE_PROB
from tests.tfmodels.lattices.speech import TOPOLOGIES
from tests.tfmodels.lattices.speech import A
from tests.tfmodels.lattices.speech import B
from tests.tfmodels.lattices.speech import bigram
from tests.tfmodels.lattices.speech import paths
from tests.tfmodels.lattices.speech import rounded
from tests.tfmodels.lattices.speech import spoken
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.composition import compose
from tfmodels.lattices.grammar import Linear
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.language_model import estimate
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import PhoneSet
from tfmodels.lattices.lexicon import Pronounced
from tfmodels.lattices.reference import spoken_words
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.topology import ergodic_silence
from tfmodels.lattices.topology import left_to_right
from tfmodels.lattices.tying import Tying
from tfmodels.lattices.tying import from_rows
from tfmodels.lattices.tying import left_biphone
from tfmodels.lattices.tying import monophone


def triphones() -> Tying:
    """Pdfs drawn at random for every phone between every two others."""
    choose = np.random.RandomState(3)
    rows = {
        (left, phone, right, pdf_class): 3 * phone + int(choose.randint(3))
        for left in range(4)
        for phone in (SILENCE, A, B)
        for right in range(4)
        for pdf_class in range(TOPOLOGIES[phone].num_classes)
    }
    return from_rows(rows)


TYINGS = {
    "monophone": monophone(TOPOLOGIES),
    "biphone": left_biphone(TOPOLOGIES, independent=[SILENCE]),
    "triphone": triphones(),
}


@pytest.mark.parametrize("scales", [Scales(1.0, 1.0), Scales(1.0, 0.1)], ids=str)
@pytest.mark.parametrize("tying", TYINGS)
@pytest.mark.parametrize("order", [1, 2])
def test_paths_are_those_of_all_words_phones_and_durations(order, tying, scales):
    model = estimate(SENTENCES, (1, 2, 3), order=order)
    graph = compose(
        Pronounced(model, LEXICON, SILENCE_PROB), TOPOLOGIES, TYINGS[tying], scales
    )
    for num_frames in (1, 2, 4):
        expected = rounded(spoken(model, TYINGS[tying], num_frames, scales.self_loop))
        found = rounded(paths(graph, num_frames))
        assert [path[:2] for path in found] == [path[:2] for path in expected] != []
        np.testing.assert_allclose(
            [weight for *_, weight in found],
            [weight for *_, weight in expected],
            atol=2e-4,
        )


@pytest.mark.parametrize("tying", ["monophone", "biphone"])
def test_probability_is_neither_lost_nor_made(tying):
    graph = compose(
        Pronounced(bigram(), LEXICON, SILENCE_PROB),
        {**TOPOLOGIES, SILENCE: ergodic_silence(4)},
        {
            "monophone": monophone({**TOPOLOGIES, SILENCE: ergodic_silence(4)}),
            "biphone": left_biphone({**TOPOLOGIES, SILENCE: ergodic_silence(4)}),
        }[tying],
        Scales(1.0, 1.0),
    )
    leaving = np.bincount(graph.source, np.exp(graph.weight), graph.num_states)
    np.testing.assert_allclose(leaving + np.exp(graph.final), 1, rtol=1e-5)


def test_states_are_reached_and_lead_to_an_end():
    graph = compose(Pronounced(bigram(), LEXICON, 0.5), TOPOLOGIES, TYINGS["triphone"])
    for sources, targets, seen in (
        (graph.source, graph.target, graph.initial > LOG_ZERO / 2),
        (graph.target, graph.source, graph.final > LOG_ZERO / 2),
    ):
        for _ in range(graph.num_states):
            seen[targets[seen[sources]]] = True
        assert seen.all()


@pytest.mark.parametrize("tying", TYINGS)
@pytest.mark.parametrize("words", [(1,), (1, 2), (3, 3)])
def test_numerator_is_what_the_denominator_has_of_its_words(words, tying):
    model = bigram()
    hmms = TOPOLOGIES, TYINGS[tying]
    denominator = compose(Pronounced(model, LEXICON, SILENCE_PROB), *hmms)
    numerator = compose(spoken_words(words, model, LEXICON, SILENCE_PROB), *hmms)
    for num_frames in (2, 4, 5):
        wanted = [
            path
            for path in paths(denominator, num_frames)
            if tuple(word for _, word in path[1]) == words
        ]
        assert rounded(paths(numerator, num_frames)) == rounded(wanted)


def word_loop(words: int, size: int, silence_prob: float, classes: list[int] | None):
    """The word loop of the tiny configuration: 14 phones, words of one length."""
    choose = np.random.RandomState(0)
    names = [f"p{number}" for number in range(14)]
    lexicon = Lexicon.create(
        [
            (f"w{word}", [names[k] for k in choose.randint(14, size=size)])
            for word in range(words)
        ],
        PhoneSet.create(["sil", *names], "sil"),
    )
    topologies = {phone: left_to_right(3) for phone in range(1, 16)}
    tying = (
        monophone(topologies)
        if classes is None
        else left_biphone(topologies, [1], classes)
    )
    model = estimate([range(1, words + 1)], range(1, words + 1))
    return compose(Pronounced(model, lexicon, silence_prob), topologies, tying), tying


@pytest.mark.parametrize("size", [2, 3])
def test_size_of_a_bigram_loop_with_silence(size):
    graph, tying = word_loop(40, size, 0.2, None)
    assert tying.num_pdfs == 15 * 3
    # The start; each word's states; three of silence for each of 41 histories.
    assert graph.num_states == 1 + 40 * 3 * size + 41 * 3
    loops = graph.num_states - 1
    inside = 40 * (3 * size - 1) + 41 * 2
    between = 41 * 40 + 41 + 41 * 40  # to words, to silence, from silence
    assert graph.num_arcs == loops + inside + between
    if size == 2:
        assert (graph.num_states, graph.num_arcs) == (364, 3966)


def test_size_of_a_loop_with_contexts_across_words():
    classes = [0, 0] + [number % 2 for number in range(14)]
    graph, tying = word_loop(40, 2, 0.2, classes)
    assert tying.num_pdfs == 14 * 3 * 2 + 3
    # First phones come in two kinds, by the class of the phone before.
    assert graph.num_states == 1 + 40 * 9 + 41 * 3
    assert graph.num_arcs == 364 - 1 + 40 * 3 + (40 * 5 + 40 * 3 + 41 * 2) + 41 * 81


def test_words_that_share_their_last_phones_share_states_after_a_unigram():
    model = estimate(SENTENCES, (1, 2, 3), order=1)
    graph = compose(Pronounced(model, LEXICON, 0.0), TOPOLOGIES, TYINGS["monophone"])
    # The start; final "a" of x and z; first "b" of both; "a" and "b" of y.
    assert graph.num_states == 1 + 2 + 1 + 2 + 1


def test_what_cannot_be_said_is_refused():
    with pytest.raises(DataError, match="accepts nothing"):
        compose(Linear([]), TOPOLOGIES, TYINGS["monophone"])
    model = estimate([(1,)], (1, 2))
    with pytest.raises(DataError, match="accepts nothing"):
        compose(
            spoken_words((1, 3), model, LEXICON, 0.5), TOPOLOGIES, TYINGS["monophone"]
        )


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="phone 2 do not fit"):
        compose(Linear([A]), {**TOPOLOGIES, A: left_to_right(3)}, TYINGS["monophone"])
    with pytest.raises(DataError, match="no pdf in a context"):
        compose(
            Linear([A, B]),
            TOPOLOGIES,
            from_rows(
                {(0, A, 0, 0): 0, (0, A, 0, 1): 1, (3, 3, 3, 0): 2, (3, 3, 3, 1): 3}
            ),
        )
    with pytest.raises(ConfigError, match="silence_prob"):
        Pronounced(bigram(), LEXICON, 1.0)


def test_pdfs_on_arcs_belong_to_their_phones():
    graph = compose(Pronounced(bigram(), LEXICON, 0.5), TOPOLOGIES, TYINGS["biphone"])
    owners = TYINGS["biphone"].phone_of_pdf()
    np.testing.assert_array_equal(owners[graph.pdf], graph.phone)
    # A word begins in the frame that enters one of its first phones.
    begins = graph.word > 0
    assert set(graph.phone[begins].tolist()) == {A, B}
    assert Counter(graph.word[begins].tolist()).keys() == {1, 2, 3}
    assert all(
        graph.source[arc] != graph.target[arc]
        for arc in itertools.compress(range(graph.num_arcs), begins)
    )
