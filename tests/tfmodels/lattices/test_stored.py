"""Stored lattices through the same recursions; accuracies of their phones."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import LENGTHS
from tests.tfmodels.lattices.enumeration import SCORES
from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tests.tfmodels.lattices.enumeration import t3
from tfmodels.errors import DataError
from tfmodels.lattices.expectation import expectation
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.pruning import lattice_mask
from tfmodels.lattices.stored import Lattice
from tfmodels.lattices.stored import Segments
from tfmodels.lattices.stored import from_mask
from tfmodels.lattices.stored import phone_accuracy
from tfmodels.lattices.stored import stack_lattices
from tfmodels.lattices.stored import stack_values
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.viterbi import best_path

GRAPH = random_graph(1, 3, 7, 4)


def test_the_unrolled_toy() -> None:
    lattice = from_mask(t3(), np.array([[True] * 3 + [False] * 9] + 2 * [[True] * 12]))
    assert lattice.num_frames == 3
    graph = stack_lattices([lattice], 3)
    log_z, gamma = occupancies(tf.constant(SCORES), LENGTHS, graph)
    np.testing.assert_allclose(log_z, [0.918999], atol=1e-6)
    expected = [0.765856, 0.196443, 0.037702]
    np.testing.assert_allclose(gamma[0, 0], expected, atol=1e-6)


def test_a_batch_of_pruned_lattices() -> None:
    scores, lengths = np.random.RandomState(4).randn(3, 4, 4), np.array([4, 1, 3])
    mask = lattice_mask(tf.constant(scores), lengths, arcs(GRAPH), 2.0).numpy()
    lattices = [
        from_mask(GRAPH, kept[:length])
        for kept, length in zip(mask, lengths, strict=True)
    ]
    graph = stack_lattices(lattices, 4, num_arcs=6, num_states=4)
    assert graph.source.shape == (3, 4, 6)
    rescored = tf.constant(scores + np.random.RandomState(5).randn(3, 4, 4))
    values = occupancies(rescored, lengths, graph)
    expected = occupancies(rescored, lengths, arcs(GRAPH), tf.constant(mask))
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-9, atol=1e-12)
    path = best_path(rescored, lengths, graph)
    other = best_path(rescored, lengths, arcs(GRAPH), tf.constant(mask))
    np.testing.assert_allclose(path.score, other.score, rtol=1e-9)
    np.testing.assert_array_equal(path.pdf, other.pdf)
    np.testing.assert_array_equal(path.word, other.word)


def phone_lattice() -> tuple[Lattice, Segments]:
    """Phones 1 (frames 0-1) and 2 (2-3); or 3 (frame 0) and 2 (1-3)."""
    graph = Graph(
        source=[0, 1, 2, 3, 0, 4, 5, 6],
        target=[1, 2, 3, 7, 4, 5, 6, 7],
        pdf=[0, 0, 1, 1, 2, 1, 1, 1],
        weight=[0, 0, 0, 0, 0.5, 0, 0, 0],
        initial=[0] + [LOG_ZERO] * 7,
        final=[LOG_ZERO] * 7 + [0],
        phone=[1, 1, 2, 2, 3, 2, 2, 2],
        word=[0] * 8,
    )
    spans = Segments(
        graph.phone,
        np.array([0, 0, 2, 2, 0, 1, 1, 1]),
        np.array([2, 2, 4, 4, 1, 4, 4, 4]),
    )
    return Lattice(graph, np.array([0, 1, 2, 3, 0, 1, 2, 3])), spans


def test_accuracy_of_phones_by_hand() -> None:
    lattice, spans = phone_lattice()
    reference = Segments(np.array([1, 2]), np.array([0, 1]), np.array([1, 4]))
    accuracy = phone_accuracy(lattice, spans, reference)
    # Phone 1 covers all of 1. Phone 2 covers two thirds, or all, of 2. 3 is no 1.
    expected = [1, 0, 1 / 3, 0, 0, 1, 0, 0]
    np.testing.assert_allclose(accuracy, expected, rtol=1e-6)
    scores = tf.constant(np.random.RandomState(0).randn(1, 5, 3))
    values = stack_values([lattice], [accuracy.astype(float)], 5)
    result = expectation(
        scores, [4], stack_lattices([lattice], 5), Labelled(tf.constant(values))
    )
    paths = enumerate_paths(lattice.graph, scores.numpy()[0, :4])
    totals = accuracy[paths.arcs].sum(axis=1)
    np.testing.assert_allclose(result.value, [totals @ paths.posteriors], rtol=1e-6)
    np.testing.assert_allclose(sorted(totals), [1, 4 / 3], rtol=1e-6)


def test_damaged_lattices() -> None:
    lattice, _ = phone_lattice()
    with pytest.raises(DataError, match="arc 3, which is not"):
        Lattice(lattice.graph, np.array([0, 1, 2, 2, 0, 1, 2, 3]))
    for times in ([0, 1, 2], [-1, 0, 1, 2, -1, 0, 1, 2]):
        with pytest.raises(DataError, match="8 times of at least 0"):
            Lattice(lattice.graph, np.array(times))
    with pytest.raises(DataError, match="final states after frame 3"):
        Lattice(
            Graph(
                **{
                    name: getattr(lattice.graph, name)
                    for name in ("source", "target", "pdf", "weight", "phone", "word")
                },
                initial=lattice.graph.initial,
                final=np.zeros(8),
            ),
            lattice.time,
        )
    with pytest.raises(DataError, match="at least one state"):
        from_mask(GRAPH, np.zeros((3, 7), bool))
