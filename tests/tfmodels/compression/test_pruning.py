"""Pruning: the published schedule, and the weights that numpy would take."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.compression.pruning import largest
from tfmodels.compression.pruning import polynomial_sparsity
from tfmodels.compression.pruning import sparsity


def test_schedule_has_the_values_of_the_formula() -> None:
    # Computed by hand: 1 - (1/2)^3 = 7/8 of the way at the middle.
    shares = {
        9: 0.0,
        10: 0.2,
        60: 0.2 + 0.6 * 7 / 8,
        85: 0.8 - 0.6 / 64,
        110: 0.8,
        500: 0.8,
    }
    for step, share in shares.items():
        step = tf.constant(step, tf.int64)
        found = polynomial_sparsity(step, 10, 110, 0.2, 0.8)
        assert float(found) == pytest.approx(share, abs=1e-7)


def test_exactly_the_smallest_magnitudes_are_not_marked() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 3, 5, 7)).astype(np.float32)
    for share in (0.0, 0.1, 0.5, 0.999):
        marked = largest(weights, share).numpy()
        count = round(share * weights.size)
        order = np.argsort(np.abs(weights), axis=None)
        expected = np.ones(weights.size, bool)
        expected[order[:count]] = False
        np.testing.assert_array_equal(marked.ravel(), expected)
        pruned = np.where(marked, weights, 0)
        assert float(sparsity(pruned)) == pytest.approx(count / weights.size)
        # What is pruned stays pruned, also when a smaller share is asked for.
        assert not largest(pruned, share / 2).numpy()[~marked].any()
