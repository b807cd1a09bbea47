"""Expected accuracies against printed values, enumeration and differences."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import LENGTHS
from tests.tfmodels.lattices.enumeration import PHONES
from tests.tfmodels.lattices.enumeration import REFERENCE
from tests.tfmodels.lattices.enumeration import SCORES
from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tests.tfmodels.lattices.enumeration import t3
from tfmodels.lattices.expectation import expectation
from tfmodels.lattices.expectation import expected_accuracy
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.trellis import Labelled

STATES = Labelled(tf.one_hot(REFERENCE, 3, dtype=tf.float64), "pdf")
GRAPHS = [random_graph(seed, 3, 7, 4) for seed in (1, 2, 5)]


@pytest.mark.parametrize(("scale", "value"), [(1, 1.791237), (0.5, 1.580017)])
def test_printed_state_accuracy(scale: float, value: float) -> None:
    result = expectation(tf.constant(scale * SCORES), LENGTHS, arcs(t3()), STATES)
    np.testing.assert_allclose(result.value, [value], atol=1e-6)
    if scale == 1:
        expected = [
            [0.233515, -0.195226, -0.038289],
            [0.266029, -0.177374, -0.088655],
            [-0.050188, 0.194757, -0.144569],
        ]
        np.testing.assert_allclose(result.derivative[0], expected, atol=1e-6)


def test_printed_phone_accuracy() -> None:
    phones = tf.one_hot(PHONES[REFERENCE], 2, dtype=tf.float64)
    accuracy = Labelled(phones, "phone")
    result = expectation(tf.constant(SCORES), LENGTHS, arcs(t3()), accuracy)
    np.testing.assert_allclose(result.value, [2.684626], atol=1e-6)
    expected = [0.056319, -0.003655, -0.052664]
    np.testing.assert_allclose(result.derivative[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_a_batch_equals_enumeration(shared: bool) -> None:
    random = np.random.RandomState(4)
    scores, lengths = random.randn(3, 4, 4), np.array([4, 1, 3])
    mask, values = random.rand(3, 4, 7) < 0.9, random.randn(3, 4, 7)
    graphs = [GRAPHS[0]] * 3 if shared else GRAPHS
    graph = arcs(GRAPHS[0]) if shared else stack(graphs)
    accuracy = Labelled(tf.constant(values))
    arguments = (tf.constant(scores), lengths, graph, accuracy, tf.constant(mask))
    result = expectation(*arguments)
    for index, length in enumerate(lengths):
        paths = enumerate_paths(graphs[index], scores[index, :length], mask[index])
        frames = np.arange(length)
        totals = np.array([values[index][frames, path].sum() for path in paths.arcs])
        mean = totals @ paths.posteriors
        np.testing.assert_allclose(result.value[index], mean, rtol=1e-6)
        expected = np.zeros((4, 4))
        gains = paths.posteriors * (totals - mean)
        for path, gain in zip(paths.arcs, gains, strict=True):
            expected[frames, graphs[index].pdf[path]] += gain
        np.testing.assert_allclose(result.derivative[index], expected, atol=1e-6)


def test_derivative_is_that_of_occupancies_in_direction_of_the_accuracy() -> None:
    scores, step = np.random.RandomState(7).randn(1, 4, 4), 1e-4
    values = np.random.RandomState(8).randn(1, 4, 4)
    graph = arcs(GRAPHS[0])
    result = expectation(
        tf.constant(scores), [4], graph, Labelled(tf.constant(values), "pdf")
    )
    up, down = (
        occupancies(tf.constant(scores + way * step * values), [4], graph)[1].numpy()
        for way in (1, -1)
    )
    expected = (up - down) / (2 * step)
    np.testing.assert_allclose(result.derivative, expected, atol=1e-7)
    np.testing.assert_allclose(tf.reduce_sum(result.derivative, -1), 0, atol=1e-12)


def test_one_operation_compiled_in_float32() -> None:
    scores = tf.constant(SCORES, tf.float32)
    accuracy = STATES._replace(values=tf.cast(STATES.values, tf.float32))

    @tf.function(jit_compile=True)
    def both(scores: tf.Tensor, graph: Arcs) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = expected_accuracy(scores, LENGTHS, graph, accuracy)
            total = tf.reduce_sum(3 * value)
        return value, tape.gradient(total, scores)

    value, gradient = both(scores, Arcs(*map(tf.constant, arcs(t3()))))
    expected = expectation(tf.constant(SCORES), LENGTHS, arcs(t3()), STATES)
    np.testing.assert_allclose(value, expected.value, atol=1e-5)
    np.testing.assert_allclose(gradient, 3 * expected.derivative, atol=1e-5)


def test_states_without_a_way_out_do_not_overflow() -> None:
    loops = Graph(
        source=[0, 1, 1, 1, 1],
        target=[0, 1, 1, 1, 1],
        pdf=[0, 1, 1, 1, 1],
        weight=np.zeros(5),
        initial=[0, LOG_ZERO],
        final=[0, LOG_ZERO],
        phone=np.zeros(5),
        word=np.zeros(5),
    )
    scores = tf.zeros([1, 200, 2])
    result = expectation(scores, [200], arcs(loops), Labelled(scores + 1, "pdf"))
    np.testing.assert_allclose(result.value, [200], rtol=1e-6)
    np.testing.assert_allclose(result.derivative, 0, atol=1e-4)


def test_no_path() -> None:
    accuracy = Labelled(tf.ones([1, 3, 3]), "pdf")
    nothing = tf.zeros([1, 3, 12], tf.bool)
    scores = tf.constant(SCORES, tf.float32)
    result = expectation(scores, LENGTHS, arcs(t3()), accuracy, nothing)
    assert result.value.numpy().tolist() == [0]
    assert not result.derivative.numpy().any()
