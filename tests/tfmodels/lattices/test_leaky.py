"""The leaky form against printed values, the log semiring and differences."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import INITIAL
from tests.tfmodels.lattices.enumeration import LENGTHS
from tests.tfmodels.lattices.enumeration import SCORES
from tests.tfmodels.lattices.enumeration import TRANSITIONS
from tests.tfmodels.lattices.enumeration import random_graph
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.leaky import leaky_log_partition
from tfmodels.lattices.leaky import leaky_occupancies

TARGET = np.tile(np.arange(3), 3)
T3 = Graph(
    source=np.repeat(np.arange(3), 3),
    target=TARGET,
    pdf=TARGET,
    weight=np.log(TRANSITIONS.ravel()),
    initial=np.log(INITIAL),
    final=np.zeros(3),
    phone=TARGET,
    word=np.zeros(9),
)


@pytest.mark.parametrize(
    ("leak", "expected"), [(0.0, 0.841237), (1e-5, 0.841277), (0.1, 1.219277)]
)
def test_printed_values_of_the_toy(leak: float, expected: float) -> None:
    log_z, gamma = leaky_occupancies(tf.constant(SCORES), LENGTHS, arcs(T3), leak)
    np.testing.assert_allclose(log_z, [expected], atol=1e-6)
    if leak == 0.1:
        expected_row = [0.698939, 0.257651, 0.043410]
        np.testing.assert_allclose(gamma[0, 0], expected_row, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_without_a_leak_it_is_the_log_semiring(shared: bool) -> None:
    scores, lengths = np.random.RandomState(3).randn(3, 6, 4), np.array([6, 2, 5])
    graphs = [random_graph(seed, 3, 7, 4) for seed in (1, 2, 5)]
    graph = arcs(graphs[0]) if shared else stack(graphs)
    values = leaky_occupancies(tf.constant(scores), lengths, graph, 0.0)
    expected = occupancies(tf.constant(scores), lengths, graph)
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-6, atol=1e-12)


def test_gradient_against_central_differences_and_compiled() -> None:
    scores, step = np.random.RandomState(1).randn(1, 4, 3), 1e-4
    log_z, gamma = leaky_occupancies(tf.constant(scores), [4], arcs(T3), 0.1)
    for place in np.ndindex(scores.shape):
        moved = np.tile(scores, (2, 1, 1))
        moved[0][place[1:]] += step
        moved[1][place[1:]] -= step
        sums = leaky_log_partition(tf.constant(moved), [4, 4], arcs(T3), 0.1).numpy()
        difference = (sums[0] - sums[1]) / (2 * step)
        np.testing.assert_allclose(gamma[place], difference, atol=1e-7)

    @tf.function(jit_compile=True)
    def compiled(scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(scores)
            log_z = leaky_log_partition(scores, [4], arcs(T3), 0.1)
        return log_z, tape.gradient(log_z, scores)

    value, gradient = compiled(tf.constant(scores, tf.float32))
    np.testing.assert_allclose(value, log_z, atol=1e-5)
    np.testing.assert_allclose(gradient, gamma, atol=1e-5)


def test_long_utterances_of_extreme_scores_stay_finite() -> None:
    scores = tf.random.stateless_normal([2, 60, 3], [1, 2], stddev=60.0)
    log_z, gamma = leaky_occupancies(scores, [60, 31], arcs(T3), 1e-5)
    assert np.isfinite(log_z).all()
    np.testing.assert_allclose(tf.reduce_sum(gamma, -1)[0], np.ones(60), rtol=1e-4)
