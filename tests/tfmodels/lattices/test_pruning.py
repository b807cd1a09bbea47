"""Masks of on-the-fly lattices: their limits, and arcs against enumerated paths."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tfmodels.lattices.forward_backward import log_partition
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.pruning import density
from tfmodels.lattices.pruning import lattice_mask
from tfmodels.lattices.pruning import restricted
from tfmodels.lattices.viterbi import best_path

GRAPH = random_graph(1, 3, 7, 4)
SCORES = 2 * np.random.RandomState(4).randn(3, 4, 4)
LENGTHS = np.array([4, 2, 3])


def on_paths(paths: list[np.ndarray], length: int) -> np.ndarray:
    """bool [4, 7], arcs of some paths."""
    mask = np.zeros((4, 7), bool)
    for path in paths:
        mask[np.arange(length), path] = True
    return mask


@pytest.mark.parametrize("beam", [0.0, 1.0, 4.0, 1e9])
@pytest.mark.parametrize("shared", [True, False])
def test_kept_arcs_are_those_of_good_paths(beam: float, shared: bool) -> None:
    graph = arcs(GRAPH) if shared else stack([GRAPH] * 3)
    mask = lattice_mask(tf.constant(SCORES, tf.float32), LENGTHS, graph, beam)
    for index, length in enumerate(LENGTHS):
        paths = enumerate_paths(GRAPH, SCORES[index, :length])
        good = paths.weights >= paths.weights.max() - beam - 1e-5
        expected = on_paths(list(paths.arcs[good]), length)
        np.testing.assert_array_equal(mask[index], expected)


def test_limits() -> None:
    scores = tf.constant(SCORES)
    everything = lattice_mask(scores, LENGTHS, arcs(GRAPH), 1e9)
    whole = occupancies(scores, LENGTHS, arcs(GRAPH))
    pruned = occupancies(scores, LENGTHS, arcs(GRAPH), mask=everything)
    for value, other in zip(pruned, whole, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-12, atol=1e-15)
    best = best_path(scores, LENGTHS, arcs(GRAPH))
    single = lattice_mask(scores, LENGTHS, arcs(GRAPH), 0.0)
    chosen = tf.one_hot(best.arc, 7, True, False)
    np.testing.assert_array_equal(single, chosen)
    log_z = log_partition(scores, LENGTHS, arcs(GRAPH), mask=single)
    np.testing.assert_allclose(log_z, best.score, rtol=1e-9)


def test_the_reference_is_always_kept() -> None:
    scores = tf.constant(SCORES)
    paths = enumerate_paths(GRAPH, SCORES[0])
    worst = GRAPH.pdf[paths.arcs[np.argmin(paths.weights)]]
    reference = tf.constant(np.tile(worst, (3, 1)))
    bare = lattice_mask(scores, LENGTHS, arcs(GRAPH), 0.0)
    mask = lattice_mask(scores, LENGTHS, arcs(GRAPH), 0.0, reference=reference)
    inside = (GRAPH.pdf[paths.arcs] == worst).all(axis=1)
    added = on_paths(list(paths.arcs[inside]), 4)
    assert not (bare.numpy()[0] & added).all()
    np.testing.assert_array_equal(mask[0], bare.numpy()[0] | added)
    only = restricted(scores, reference)
    numerator = log_partition(only, LENGTHS, arcs(GRAPH))
    kept = log_partition(only, LENGTHS, arcs(GRAPH), mask=mask)
    np.testing.assert_allclose(kept[0], numerator[0], rtol=1e-12)


def test_a_wider_beam_adds_weight() -> None:
    scores = tf.constant(SCORES)
    sums = [
        log_partition(
            scores,
            LENGTHS,
            arcs(GRAPH),
            mask=lattice_mask(scores, LENGTHS, arcs(GRAPH), beam),
        ).numpy()
        for beam in (0.0, 0.5, 1.0, 2.0, 4.0)
    ]
    assert (np.diff(sums, axis=0) >= 0).all()
    assert (sums[-1] > sums[0]).all()


def test_beams_of_states() -> None:
    scores = tf.constant(SCORES)
    whole = lattice_mask(scores, LENGTHS, arcs(GRAPH), 1e9).numpy()
    for beams in ({"max_active": 1}, {"decode_beam": 0.0}):
        narrow = lattice_mask(scores, LENGTHS, arcs(GRAPH), 1e9, **beams).numpy()
        assert not (narrow & ~whole).any()
        for mask in narrow:
            entered = [set(GRAPH.target[kept]) for kept in mask[:-1]]
            assert all(len(states) <= 1 for states in entered)
    wide = {"max_active": 100, "decode_beam": 1e9}
    mask = lattice_mask(scores, LENGTHS, arcs(GRAPH), 1e9, **wide)
    np.testing.assert_array_equal(mask, whole)


def test_compiled_equals_eager_and_density_counts() -> None:
    beams = {"lattice_beam": 2.0, "decode_beam": 5.0, "max_active": 2}
    scores = tf.constant(SCORES, tf.float32)
    eager = lattice_mask(scores, LENGTHS, arcs(GRAPH), **beams)
    compiled = tf.function(lattice_mask, jit_compile=True)
    mask = compiled(scores, tf.constant(LENGTHS), arcs(GRAPH), **beams)
    np.testing.assert_array_equal(mask, eager)
    kept, frames = density(mask, LENGTHS)
    assert float(kept) == mask.numpy().sum()
    assert float(frames) == 9
