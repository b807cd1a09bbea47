"""Partition functions and occupancies against enumeration, CTC and differences."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import LENGTHS
from tests.tfmodels.lattices.enumeration import SCORES
from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import occupancy
from tests.tfmodels.lattices.enumeration import random_graph
from tests.tfmodels.lattices.enumeration import t3
from tfmodels.lattices.forward_backward import log_partition
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.trellis import is_possible

GRAPHS = [random_graph(seed, 3, 7, 4) for seed in (1, 2, 5)]


def random_scores(*shape: int) -> np.ndarray:
    return np.random.RandomState(3).randn(*shape)


def value_and_gradient(
    scores: np.ndarray, lengths: Any, graph: Arcs, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    values = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(values)
        log_z = log_partition(values, tf.constant(lengths), graph, **options)
    return log_z.numpy(), tape.gradient(log_z, values).numpy()


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Scores of three utterances, of which the padding is not a number."""
    scores, lengths = random_scores(3, 4, 4), np.array([4, 1, 3])
    for utterance, length in zip(scores, lengths, strict=True):
        utterance[length:] = np.nan
    return scores, lengths


def test_printed_values_of_the_toy() -> None:
    log_z, gamma = value_and_gradient(SCORES, LENGTHS, arcs(t3()))
    np.testing.assert_allclose(log_z, [0.918999], atol=1e-6)
    expected = [
        [0.765856, 0.196443, 0.037702],
        [0.423791, 0.477412, 0.098797],
        [0.219534, 0.601590, 0.178876],
    ]
    np.testing.assert_allclose(gamma[0], expected, atol=1e-6)


def test_half_the_acoustic_scale() -> None:
    log_z, _ = value_and_gradient(SCORES / 2, LENGTHS, arcs(t3()))
    np.testing.assert_allclose(log_z, [0.377499], atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_a_batch_equals_enumeration(
    shared: bool, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    scores, lengths = batch
    graphs = [GRAPHS[0]] * 3 if shared else GRAPHS
    graph = arcs(GRAPHS[0]) if shared else stack(graphs, num_arcs=9, num_states=5)
    log_z, gamma = value_and_gradient(scores, lengths, graph)
    for index, length in enumerate(lengths):
        paths = enumerate_paths(graphs[index], scores[index, :length])
        assert len(paths.arcs)
        np.testing.assert_allclose(log_z[index], paths.log_z, rtol=1e-6)
        expected = occupancy(paths, graphs[index], 4)
        np.testing.assert_allclose(gamma[index, :length], expected, atol=1e-6)
        assert not gamma[index, length:].any()


def test_a_mask_and_an_addend(batch: tuple[np.ndarray, np.ndarray]) -> None:
    scores, lengths = batch
    mask = np.random.RandomState(0).rand(3, 4, 7) < 0.8
    boosts = random_scores(3, 4, 2)
    addend = Labelled(tf.constant(boosts), "phone")
    log_z, gamma = value_and_gradient(
        scores, lengths, arcs(GRAPHS[0]), mask=tf.constant(mask), addend=addend
    )
    for index, length in enumerate(lengths):
        boosted = scores[index] + boosts[index][:, np.arange(4) // 2]
        paths = enumerate_paths(GRAPHS[0], boosted[:length], mask[index])
        np.testing.assert_allclose(log_z[index], paths.log_z, rtol=1e-6)
        expected = occupancy(paths, GRAPHS[0], 4)
        np.testing.assert_allclose(gamma[index, :length], expected, atol=1e-6)


def test_arcs_of_one_frame_equal_a_mask() -> None:
    scores = random_scores(2, 3, 4)
    mask = np.random.RandomState(1).rand(2, 3, 7) < 0.8
    graph = stack([GRAPHS[0], GRAPHS[2]])
    by_frame = {
        name: np.repeat(getattr(graph, name)[:, None], 3, axis=1)
        for name in ("source", "target", "pdf", "weight", "phone", "word")
    }
    by_frame["weight"] = np.where(mask, by_frame["weight"], LOG_ZERO)
    values = value_and_gradient(scores, [3, 2], graph._replace(**by_frame))
    expected = value_and_gradient(scores, [3, 2], graph, mask=tf.constant(mask))
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-10)


@pytest.mark.parametrize("shared", [True, False])
def test_compiled_in_float32_equals_float64(
    shared: bool, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    scores, lengths = batch
    graph = arcs(GRAPHS[0]) if shared else stack(GRAPHS)
    compiled = tf.function(occupancies, jit_compile=True)
    values = compiled(
        tf.constant(scores, tf.float32),
        tf.constant(lengths, tf.int32),
        Arcs(*(tf.constant(value) for value in graph)),
    )
    expected = value_and_gradient(scores, lengths, graph)
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, other, atol=1e-5)


def test_gradient_against_central_differences() -> None:
    scores, step = random_scores(1, 3, 4), 1e-4
    _, gamma = value_and_gradient(scores, [3], arcs(GRAPHS[0]))
    for place in np.ndindex(scores.shape):
        moved = np.tile(scores, (2, 1, 1))
        moved[0][place[1:]] += step
        moved[1][place[1:]] -= step
        up, down = log_partition(tf.constant(moved), [3, 3], arcs(GRAPHS[0])).numpy()
        np.testing.assert_allclose(gamma[place], (up - down) / (2 * step), atol=1e-7)


def test_an_utterance_too_short_for_its_graph() -> None:
    chain = Graph(
        source=[0, 1, 2],
        target=[1, 2, 3],
        pdf=[0, 1, 2],
        weight=[0, 0, 0],
        initial=[0, LOG_ZERO, LOG_ZERO, LOG_ZERO],
        final=[LOG_ZERO, LOG_ZERO, LOG_ZERO, 0],
        phone=[0, 1, 2],
        word=[0, 0, 0],
    )
    scores = random_scores(3, 4, 3).astype(np.float32)
    for graph in (arcs(chain), stack([chain] * 3)):
        log_z, gamma = value_and_gradient(scores, [2, 3, 4], graph)
        assert is_possible(log_z).tolist() == [False, True, False]
        assert np.isfinite(log_z).all()
        assert not gamma[[0, 2]].any()
        np.testing.assert_allclose(gamma[1, :3], np.eye(3), atol=1e-6)


def ctc_graph(labels: list[int]) -> Graph:
    """Blanks (output 0) between labels; equal neighbours need one."""
    states = [0]
    for label in labels:
        states += [label, 0]
    hops = [
        (i, j)
        for i in range(len(states))
        for j in (i, i + 1, i + 2)
        if j < len(states) and (j < i + 2 or (states[j] and states[j] != states[i]))
    ]
    # A start state of its own, since arcs emit what they enter.
    hops = [(len(states), 0), (len(states), 1), *hops]
    source, target = np.array(hops).T
    initial = np.full(len(states) + 1, LOG_ZERO)
    final = initial.copy()
    initial[-1] = final[-2] = final[-3] = 0
    pdf = np.array(states)[target]
    zeros = np.zeros(len(hops))
    return Graph(source, target, pdf, zeros, initial, final, pdf, zeros)


def test_ctc_topology() -> None:
    logits = np.random.RandomState(1).randn(1, 7, 4)
    scores = tf.nn.log_softmax(tf.constant(logits))
    log_z = log_partition(scores, [7], arcs(ctc_graph([2, 2, 1])))
    np.testing.assert_allclose(-log_z, [3.576635], atol=1e-6)
    random = np.random.RandomState(2)
    logits, lengths = random.randn(3, 9, 5), [9, 6, 7]
    labels = [[2, 2, 1, 4], [3], [1, 1, 1]]
    graph = stack([ctc_graph(row) for row in labels])
    log_z, _ = value_and_gradient(tf.nn.log_softmax(logits).numpy(), lengths, graph)
    expected = tf.nn.ctc_loss(
        tf.ragged.constant(labels, dtype=tf.int32).to_sparse(),
        tf.constant(logits, tf.float32),
        None,
        lengths,
        logits_time_major=False,
        blank_index=0,
    )
    np.testing.assert_allclose(-log_z, expected, rtol=1e-5)


def test_a_sub_graph_never_has_more_weight() -> None:
    scores = random_scores(5, 4, 4)
    graph = GRAPHS[0]
    kept = np.arange(graph.num_arcs) != 2
    parts = {
        name: getattr(graph, name)[kept]
        for name in ("source", "target", "pdf", "weight", "phone", "word")
    }
    part = Graph(**parts, initial=graph.initial, final=graph.final)
    lengths = np.full(5, 4)
    whole = log_partition(tf.constant(scores), lengths, arcs(graph)).numpy()
    some = log_partition(tf.constant(scores), lengths, arcs(part)).numpy()
    assert (some < whole).all()


def test_long_utterances_in_float32() -> None:
    scores = 30 * random_scores(1, 300, 4)
    compiled = tf.function(occupancies, jit_compile=True)
    graph = arcs(GRAPHS[0])
    expected = compiled(tf.constant(scores), [300], graph)
    values = compiled(tf.constant(scores, tf.float32), [300], graph)
    np.testing.assert_allclose(values[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(values[1], expected[1], atol=5e-5)
