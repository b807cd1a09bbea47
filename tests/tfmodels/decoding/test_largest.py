"""The largest numbers by blocks are those that TensorFlow finds, in the same order."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.decoding.largest import largest


@pytest.mark.parametrize("size", [1, 7, 100, 1000, 1024, 4001])
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_equals_top_k_ties_included(size: int, count: int, levels: int) -> None:
    count = min(count, size)
    drawn = np.random.default_rng(size).integers(levels, size=(20, size))
    values = np.where(drawn % 5 == 4, -np.inf, -drawn.astype(np.float32))
    found = largest(tf.constant(values, tf.float32), count)
    expected = tf.math.top_k(tf.constant(values, tf.float32), count)
    np.testing.assert_array_equal(found[0], expected.values)
    np.testing.assert_array_equal(found[1], expected.indices)
