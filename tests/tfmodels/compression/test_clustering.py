"""Clusters on a line: what scikit-learn finds from the same start; zeros kept."""

import numpy as np
from sklearn.cluster import KMeans

from tfmodels.compression.clustering import clusters_of
from tfmodels.compression.clustering import means
from tfmodels.compression.clustering import sums

WEIGHTS = np.random.default_rng(0).normal(size=(3, 3, 8, 9)).astype(np.float32)


def test_clusters_are_those_of_scikit_learn() -> None:
    found = clusters_of(WEIGHTS, 8, preserve_sparsity=False).numpy()
    start = np.linspace(WEIGHTS.min(), WEIGHTS.max(), 8)[:, None]
    flat = WEIGHTS.reshape(-1, 1)
    theirs = KMeans(8, init=start, n_init=1, max_iter=100, tol=0).fit(flat)
    np.testing.assert_array_equal(found.ravel(), theirs.labels_)
    shared = means(WEIGHTS, found, 8).numpy()
    expected = theirs.cluster_centers_[theirs.labels_].reshape(WEIGHTS.shape)
    np.testing.assert_allclose(shared, expected, atol=1e-6)
    assert len(np.unique(shared)) == 8


def test_zeros_are_a_cluster_of_their_own() -> None:
    weights = np.where(np.abs(WEIGHTS) < 0.7, 0, WEIGHTS)
    found = clusters_of(weights, 4, preserve_sparsity=True).numpy()
    np.testing.assert_array_equal(found == 0, weights == 0)
    assert set(np.unique(found)) == {0, 1, 2, 3}
    ones = np.ones_like(weights)
    for number in range(4):
        count = np.sum(found == number)
        assert np.all(sums(ones, found, 4).numpy()[found == number] == count)
    empty = clusters_of(np.zeros([2, 3], np.float32), 4, preserve_sparsity=True)
    assert not empty.numpy().any()
