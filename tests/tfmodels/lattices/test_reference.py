"""Numerators of lattice-free training, of CTC and of fixed alignments."""

import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.speech import LEXICON
from tests.tfmodels.lattices.speech import SILENCE_PROB
from tests.tfmodels.lattices.speech import TOPOLOGIES
from tests.tfmodels.lattices.speech import bigram
from tests.tfmodels.lattices.speech import paths
from tests.tfmodels.lattices.speech import rounded
from tfmodels.errors import DataError
from tfmodels.lattices.chain import chain_denominator
from tfmodels.lattices.chain import chain_numerator
from tfmodels.lattices.composition import compose
from tfmodels.lattices.ctc import ctc_graph
from tfmodels.lattices.forward_backward import log_partition
from tfmodels.lattices.grammar import Linear
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.lexicon import Pronounced
from tfmodels.lattices.phone_model import estimate_phones
from tfmodels.lattices.reference import alignment_graph
from tfmodels.lattices.reference import path_graph
from tfmodels.lattices.reference import spoken_phones
from tfmodels.lattices.reference import spoken_words
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.tying import left_biphone

PHONE_MODEL = estimate_phones(
    [(1, 2, 3, 1), (2, 3), (3, 2, 1, 2), (1, 3, 2, 2, 3, 1), (2,)], order=3
)
HMMS = TOPOLOGIES, left_biphone(TOPOLOGIES), Scales(0.0, 0.0)


def log_sum(graph: Graph, scores: np.ndarray) -> float:
    """Log of the sum over all paths of the exponential of weight and scores."""
    alpha = graph.initial.astype(np.float64)
    for row in scores:
        step = alpha[graph.source] + graph.weight + row[graph.pdf]
        alpha = np.full(graph.num_states, LOG_ZERO)
        np.logaddexp.at(alpha, graph.target, step)
    return float(np.logaddexp.reduce(alpha + graph.final))


def test_lattice_free_numerator_is_inside_of_its_denominator():
    denominator = compose(PHONE_MODEL, *HMMS)
    scores = np.random.RandomState(0).randn(9, HMMS[1].num_pdfs)
    for words in ((2,), (1, 2), (3, 1)):
        numerator = compose(spoken_phones(words, PHONE_MODEL, LEXICON), *HMMS)
        for num_frames in (3, 4, 5):
            found = Counter(
                rounded([(p, (), w) for p, _, w in paths(numerator, num_frames)])
            )
            whole = Counter(rounded(paths(denominator, num_frames)))
            assert found <= whole
            # Equal phones by different words or variants still count once.
            assert max(found.values(), default=0) <= 1
        assert log_sum(numerator, scores) < log_sum(denominator, scores)


def test_engine_never_finds_a_numerator_above_its_denominator():
    model = bigram()
    denominator = compose(Pronounced(model, LEXICON, SILENCE_PROB), *HMMS)
    numerators = [
        compose(spoken_words(words, model, LEXICON, SILENCE_PROB), *HMMS)
        for words in ((1,), (2, 1), (3, 3))
    ]
    for scale in (0.1, 1.0, 10.0):
        random = np.random.RandomState(0).randn(3, 12, HMMS[1].num_pdfs)
        scores, lengths = tf.constant(scale * random), tf.constant([12, 9, 10])
        part = log_partition(scores, lengths, stack(numerators))
        whole = log_partition(scores, lengths, arcs(denominator))
        assert np.all(part > -1e3)
        assert np.all(part < whole)


def test_phones_that_the_model_never_saw_leave_no_numerator():
    model = estimate_phones([(2, 2)])
    with pytest.raises(DataError, match="accepts nothing"):
        compose(spoken_phones((3,), model, LEXICON), *HMMS)


def test_chain_denominator_begins_where_speech_may_be():
    plain = compose(PHONE_MODEL, *HMMS)
    graph = chain_denominator(plain)
    # Transition matrices, as in the words of the method.
    matrix = np.zeros((plain.num_states, plain.num_states))
    np.add.at(matrix, (plain.source, plain.target), np.exp(plain.weight))
    matrix /= (matrix.sum(axis=1) + np.exp(plain.final))[:, None]
    now = np.eye(plain.num_states)[0]
    visits = []
    for _ in range(100):
        visits.append(now)
        now = now @ matrix
        now = now / now.sum()
    np.testing.assert_allclose(np.exp(graph.initial), np.mean(visits, 0), atol=1e-6)
    assert np.exp(graph.initial).sum() == pytest.approx(1, abs=1e-5)
    assert not graph.final.any()


def test_chain_numerator_stays_inside():
    plain = compose(PHONE_MODEL, *HMMS)
    denominator = chain_denominator(plain)
    numerator = chain_numerator(
        compose(spoken_phones((1, 2), PHONE_MODEL, LEXICON), *HMMS), denominator
    )
    assert numerator.initial.max() == denominator.initial[0]
    scores = np.random.RandomState(0).randn(10, HMMS[1].num_pdfs)
    for num_frames in (8, 9, 10):
        part = log_sum(numerator, scores[:num_frames])
        assert LOG_ZERO / 2 < part < log_sum(denominator, scores[:num_frames])


def collapsed(frames: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(frames) if label)


@pytest.mark.parametrize("labels", [(1,), (1, 2), (2, 2), (2, 2, 1)])
def test_ctc_accepts_what_collapses_to_the_labels_and_that_once(labels):
    graph = ctc_graph(Linear(labels))
    assert graph.num_states == 2 * len(labels) + 1
    found = Counter(pdfs for pdfs, _, _ in paths(graph, 5))
    wanted = itertools.product(range(3), repeat=5)
    assert found == Counter(f for f in wanted if collapsed(f) == labels)


@pytest.mark.parametrize("labels", [(2, 2, 1), (3,), (1, 2, 3), (1, 1, 1)])
def test_ctc_likelihood_is_that_of_tensorflow(labels):
    logits = np.random.RandomState(1).randn(1, 7, 4)
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    wanted = tf.nn.ctc_loss(
        np.array([labels], np.int32),
        logits.astype(np.float32),
        label_length=[len(labels)],
        logit_length=[7],
        logits_time_major=False,
        blank_index=0,
    )
    found = -log_sum(ctc_graph(Linear(labels)), log_probs[0])
    assert found == pytest.approx(float(wanted[0]), abs=1e-5)
    if labels == (2, 2, 1):
        assert found == pytest.approx(3.576635, abs=1e-6)


def test_every_label_sequence_together_is_certain():
    model = estimate_phones([(1, 2), (2, 2, 1)], order=2, full_order=2)
    free = ctc_graph(model)
    log_probs = np.log(np.random.RandomState(0).dirichlet(np.ones(3), size=4))
    every = sum(
        np.exp(log_sum(ctc_graph(Linear(labels)), log_probs) + weight(model, labels))
        for size in range(1, 5)
        for labels in itertools.product((1, 2), repeat=size)
    )
    assert np.exp(log_sum(free, log_probs)) == pytest.approx(every, rel=1e-5)


def weight(model, labels: tuple[int, ...]) -> float:
    state, total = model.start, 0.0
    for label in labels:
        arc = model.follow(state, label)
        if arc is None:
            return LOG_ZERO
        state, total = arc.target, total + arc.weight
    return total + model.final(state)


def test_fixed_alignment_is_one_path():
    graph = alignment_graph(np.array([4, 4, 7]), np.array([1, 1, 2]))
    assert paths(graph, 3) == [((4, 4, 7), (), 0.0)]
    assert not paths(graph, 2)


def test_path_of_a_graph_keeps_weights_and_words():
    graph = compose(
        Pronounced(bigram(), LEXICON, SILENCE_PROB), *HMMS[:2], Scales(1.0, 1.0)
    )
    path = wordy_path(graph, 5)
    chosen = path_graph(graph, path)
    (found,) = paths(chosen, 5)
    assert rounded([found])[0] in rounded(paths(graph, 5))
    assert found[1]
    with pytest.raises(DataError, match="not a path"):
        path_graph(graph, path[::-1])
    with pytest.raises(DataError, match="not a path"):
        path_graph(graph, path[1:])


def wordy_path(graph: Graph, num_frames: int) -> np.ndarray:
    """The first path that depth-first search finds, words before silence."""

    def search(state: int, path: list[int]) -> list[int] | None:
        if len(path) == num_frames:
            return path if graph.final[state] > LOG_ZERO / 2 else None
        leaving = np.flatnonzero(graph.source == state)
        for arc in sorted(leaving.tolist(), key=lambda arc: -graph.word[arc]):
            found = search(int(graph.target[arc]), [*path, arc])
            if found:
                return found
        return None

    found = search(0, [])
    assert found
    return np.array(found)
