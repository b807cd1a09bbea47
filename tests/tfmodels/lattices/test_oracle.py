"""The least errors of a lattice, against its paths one by one."""

import numpy as np
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.oracle import oracle_errors
from tfmodels.lattices.pruning import lattice_mask

LENGTHS = np.array([5, 1, 4, 3, 5, 2], np.int32)
WORDS = np.array(
    [[1, 2, 1, 0], [2, 0, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0], [2, 1, 1, 2], [1, 1, 1, 1]]
)


def distance(said: list[int], heard: list[int]) -> int:
    """Levenshtein's, by its definition."""
    if not said or not heard:
        return len(said) + len(heard)
    return min(
        distance(said[1:], heard) + 1,
        distance(said, heard[1:]) + 1,
        distance(said[1:], heard[1:]) + (said[0] != heard[0]),
    )


def test_the_least_errors_of_any_path() -> None:
    found, brute = [], []
    for seed in (1, 2):
        graph = random_graph(seed, 3, 7, 4)
        scores = np.random.RandomState(seed).randn(6, 5, 4)
        mask = lattice_mask(tf.constant(scores), LENGTHS, arcs(graph), 2.5).numpy()
        mask[5] = False  # no path at all
        words = tf.constant(WORDS, tf.int32)
        errors = oracle_errors(arcs(graph), tf.constant(mask), LENGTHS, words)
        found += errors.numpy().tolist()
        for row, length in enumerate(LENGTHS):
            paths = enumerate_paths(graph, scores[row, :length], mask[row]).arcs
            said = [word for word in WORDS[row].tolist() if word]
            heard = [[w for w in graph.word[path].tolist() if w] for path in paths]
            every = [distance(said, words) for words in heard]
            brute.append(min(every, default=len(said)))
            if len(every) > 1 and length == 5:
                assert min(every) < max(every)
    assert found == brute
    assert len(set(found)) > 2
