"""Random numbers of rows: their distribution, and what they do not depend on."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfmodels.layers.seeded import kept
from tfmodels.layers.seeded import normals
from tfmodels.layers.seeded import uniforms

SEED = tf.constant([[1, 2], [3, 2**32 - 1], [1, 3]], tf.int64)


def test_distributions():
    drawn = uniforms(SEED, 1, 4000).numpy()
    for row in drawn:
        assert stats.kstest(row, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(row[:-1], row[1:])[0, 1]) < 0.06
    assert np.abs(np.corrcoef(drawn) - np.eye(3)).max() < 0.06
    for row in normals(SEED, 2, 4000).numpy():
        assert stats.kstest(row, "norm").pvalue > 1e-3


def test_only_seed_stream_and_place_count():
    drawn = uniforms(SEED, 1, 12).numpy()
    np.testing.assert_array_equal(uniforms(SEED[1:2], 1, 8), drawn[1:2, :8])
    np.testing.assert_array_equal(uniforms(SEED, 1, 8, 4), drawn[:, 4:])
    assert np.abs(uniforms(SEED, 2, 12) - drawn).min() > 0
    compiled = tf.function(uniforms, jit_compile=True)
    np.testing.assert_array_equal(compiled(SEED, 1, 12), drawn)


def test_dropout_keeps_the_mean():
    factors = kept(SEED, 3, (500, 8), 0.25).numpy()
    assert set(np.unique(factors)) == {0, np.float32(1 / 0.75)}
    assert factors.mean() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(kept(SEED, 3, (1, 8), 0.25, 7)[:, 0], factors[:, 7])
