"""The decoder for devices: best paths against enumeration, beams, its file."""

import numpy as np
import pytest
import tensorflow as tf

from export.decoding import Recogniser
from export.decoding import best_path
from tests.tfmodels.lattices.enumeration import SCORES
from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tests.tfmodels.lattices.enumeration import t3
from tfmodels.errors import DataError
from tfmodels.lattices import viterbi
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs


def scores_of(seed: int, frames: int, num_pdfs: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=(frames, num_pdfs)).astype(np.float32)


def weight(graph: Graph, scores: np.ndarray, path: np.ndarray) -> float:
    """Log weight of a path, which must be one."""
    np.testing.assert_array_equal(graph.target[path[:-1]], graph.source[path[1:]])
    emitted = scores[np.arange(len(path)), graph.pdf[path]] + graph.weight[path]
    ends = graph.initial[graph.source[path[0]]], graph.final[graph.target[path[-1]]]
    return float(emitted.sum() + sum(ends))


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_the_best_path_is_that_of_enumeration(seed: int) -> None:
    graph, scores = random_graph(seed, 3, 7, 4), scores_of(seed, 4, 4)
    paths = enumerate_paths(graph, scores)
    best = paths.arcs[np.argmax(paths.weights)]
    np.testing.assert_array_equal(best_path(scores, graph), best)
    toy = SCORES[0].astype(np.float32)
    paths = enumerate_paths(t3(), toy)
    best = paths.arcs[np.argmax(paths.weights)]
    np.testing.assert_array_equal(best_path(toy, t3()), best)


def test_large_graphs_and_ties_are_decided_as_in_evaluation() -> None:
    graph = random_graph(3, 40, 300, 9)
    for scores in (scores_of(0, 30, 9), np.zeros((30, 9), np.float32)):
        expected = viterbi.best_path(tf.constant(scores[None]), [30], arcs(graph))
        np.testing.assert_array_equal(best_path(scores, graph), expected.arc[0])


def test_a_beam_gives_up_what_is_far_behind() -> None:
    graph, scores = random_graph(3, 40, 300, 9), 2 * scores_of(1, 20, 9)
    whole = weight(graph, scores, best_path(scores, graph))
    found = [best_path(scores, graph, beam) for beam in (1e9, 6.0, 0.5)]
    weights = [weight(graph, scores, path) for path in found if len(path)]
    assert weights[0] == whole
    assert sorted(weights, reverse=True) == weights
    # Two paths, of which only the one that begins worse can end.
    graph = Graph(
        source=[0, 0, 1, 2],
        target=[1, 2, 1, 3],
        pdf=[0, 1, 0, 1],
        weight=np.zeros(4),
        initial=[0, *[LOG_ZERO] * 3],
        final=[*[LOG_ZERO] * 3, 0],
        phone=np.zeros(4),
        word=np.zeros(4),
    )
    scores = np.array([[3, 0], [0, 0]], np.float32)
    assert best_path(scores, graph, beam=4.0).tolist() == [1, 3]
    assert best_path(scores, graph, beam=2.0).size == 0


def recogniser() -> Recogniser:
    graph = random_graph(5, 3, 7, 4)
    prior = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    words = ("<eps>", "yes", "no")
    phones = ("<eps>", "a", "b")
    return Recogniser(words, phones, np.array([1, 1, 2, 2]), prior, 0.3, graph)


def test_words_that_a_path_passes() -> None:
    decoder, scores = recogniser(), scores_of(0, 6, 4)
    path = best_path(np.float32(0.3) * scores, decoder.graph)
    said = [decoder.words[word] for word in decoder.graph.word[path] if word]
    assert said
    assert decoder.recognise(scores) == " ".join(said)
    # Constants of frames, such as the sum of a softmax, change nothing.
    shifted = scores + np.arange(6, dtype=np.float32)[:, None]
    assert decoder.recognise(shifted) == " ".join(said)


def test_no_path_is_no_words() -> None:
    # One arc, from the only first state to the only last one.
    ends = [0.0, LOG_ZERO], [LOG_ZERO, 0.0]
    graph = Graph([0], [1], [0], [0.0], *ends, [0], [1])
    assert best_path(np.zeros((1, 1), np.float32), graph).tolist() == [0]
    assert best_path(np.zeros((2, 1), np.float32), graph).size == 0


def test_scores_become_log_likelihoods() -> None:
    decoder, logits = recogniser(), 5 * scores_of(2, 3, 4)
    posteriors = np.exp(logits.astype(np.float64))
    posteriors /= posteriors.sum(-1, keepdims=True)
    scores = logits - decoder.prior
    np.testing.assert_allclose(
        decoder.log_posteriors(scores), np.log(posteriors), atol=1e-5
    )
    np.testing.assert_allclose(
        decoder.log_likelihoods(scores),
        np.log(posteriors / [0.1, 0.2, 0.3, 0.4]),
        atol=1e-5,
    )


def test_the_file_keeps_every_bit() -> None:
    decoder = recogniser()
    again = Recogniser.parse(decoder.dump())
    assert (again.words, again.phones) == (decoder.words, decoder.phones)
    assert again.acoustic_scale == 0.3
    for one, two in (
        (again.prior, decoder.prior),
        (again.phone_of_pdf, decoder.phone_of_pdf),
        *zip(arcs(again.graph), arcs(decoder.graph), strict=True),
    ):
        np.testing.assert_array_equal(one, two)


def test_a_graph_that_is_none_is_refused() -> None:
    text = recogniser().dump().replace('"source": [', '"source": [99, ')
    with pytest.raises(DataError, match="graph is damaged"):
        Recogniser.parse(text)
