"""Best paths against enumeration; alignments obey their topology."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import LENGTHS
from tests.tfmodels.lattices.enumeration import SCORES
from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tests.tfmodels.lattices.enumeration import t3
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.viterbi import best_path

GRAPHS = [random_graph(seed, 3, 7, 4) for seed in (1, 2, 5)]


def test_the_toy() -> None:
    path = best_path(tf.constant(SCORES), LENGTHS, arcs(t3()))
    paths = enumerate_paths(t3(), SCORES[0])
    best = np.argmax(paths.weights)
    np.testing.assert_array_equal(path.arc[0], paths.arcs[best])
    np.testing.assert_allclose(path.score, paths.weights[best], rtol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_a_batch_equals_enumeration(shared: bool) -> None:
    scores, lengths = np.random.RandomState(4).randn(3, 4, 4), np.array([4, 1, 3])
    graphs = [GRAPHS[0]] * 3 if shared else GRAPHS
    graph = arcs(GRAPHS[0]) if shared else stack(graphs, num_arcs=9)
    path = best_path(tf.constant(scores), lengths, graph)
    for index, length in enumerate(lengths):
        paths = enumerate_paths(graphs[index], scores[index, :length])
        best = paths.arcs[np.argmax(paths.weights)]
        rest = [-1] * (4 - length)
        np.testing.assert_allclose(path.score[index], paths.weights.max(), rtol=1e-6)
        np.testing.assert_array_equal(path.arc[index], [*best, *rest])
        for name in ("pdf", "phone", "word"):
            labels = getattr(graphs[index], name)[best]
            np.testing.assert_array_equal(getattr(path, name)[index], [*labels, *rest])


def two_phones() -> Graph:
    """States 0 -> 1 -> 2, each of the last two with a loop; outputs 0 and 1."""
    return Graph(
        source=[0, 1, 1, 2],
        target=[1, 1, 2, 2],
        pdf=[0, 0, 1, 1],
        weight=np.zeros(4),
        initial=[0, LOG_ZERO, LOG_ZERO],
        final=[LOG_ZERO, LOG_ZERO, 0],
        phone=[1, 1, 2, 2],
        word=[0, 0, 9, 0],
    )


def test_alignments_are_compiled_obey_the_topology_and_break_ties_alike() -> None:
    compiled = tf.function(best_path, jit_compile=True)
    scores = np.random.RandomState(0).randn(4, 6, 2).astype(np.float32)
    scores[0] = 0
    lengths = np.array([6, 6, 4, 1])
    graph = stack([two_phones()] * 4)
    path = compiled(tf.constant(scores), tf.constant(lengths), graph)
    for index, length in enumerate(lengths[:3]):
        pdfs = path.pdf[index, :length].numpy()
        assert pdfs[0] == 0
        assert pdfs[-1] == 1
        assert (np.diff(pdfs) >= 0).all()
        assert np.sum(path.word[index].numpy() == 9) == 1
    assert (path.arc[3].numpy() == -1).all()
    again = best_path(tf.constant(scores), lengths, arcs(two_phones()))
    np.testing.assert_array_equal(path.arc, again.arc)
    # All alignments of the first are equally good. From the end: arc 2 before arc 3.
    assert path.pdf[0].numpy().tolist() == [0, 0, 0, 0, 0, 1]
