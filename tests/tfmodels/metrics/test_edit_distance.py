"""Word errors against a plain dynamic programme and counts by hand."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.metrics.edit_distance import edit_errors


@functools.cache
def fewest(hypothesis, reference):
    """(errors, substitutions, insertions, deletions), by trying everything."""
    if not hypothesis or not reference:
        return (
            len(hypothesis) + len(reference),
            0,
            len(hypothesis),
            len(reference),
        )
    same = hypothesis[0] == reference[0]
    ways = [
        add(fewest(hypothesis[1:], reference[1:]), (1 - same, 1 - same, 0, 0)),
        add(fewest(hypothesis[1:], reference), (1, 0, 1, 0)),
        add(fewest(hypothesis, reference[1:]), (1, 0, 0, 1)),
    ]
    return min(ways)


def add(left, right):
    return tuple(a + b for a, b in zip(left, right, strict=True))


def counted(hypothesis, reference, **options):
    function = tf.function(edit_errors, autograph=False, **options)
    found = function(tf.constant(hypothesis), tf.constant(reference))
    return np.stack([value.numpy() for value in found], axis=1).tolist()


@pytest.mark.parametrize("compiled", [False, True])
def test_every_count_is_that_of_trying_everything(compiled):
    random = np.random.default_rng(0)
    # Few symbols, so that many ways are equally good; zeros are gaps.
    hypotheses = random.integers(0, 4, (300, 8)).astype(np.int32)
    references = random.integers(0, 4, (300, 6)).astype(np.int32)
    expected = [
        fewest(tuple(row[row > 0]), tuple(other[other > 0]))
        for row, other in zip(hypotheses.tolist(), references.tolist(), strict=True)
        for row, other in [(np.array(row), np.array(other))]
    ]
    found = counted(hypotheses, references, jit_compile=compiled)
    assert found == [list(way[1:]) for way in expected]
    distance = tf.edit_distance(
        tf.RaggedTensor.from_row_lengths(
            hypotheses[hypotheses > 0], (hypotheses > 0).sum(1)
        ).to_sparse(),
        tf.RaggedTensor.from_row_lengths(
            references[references > 0], (references > 0).sum(1)
        ).to_sparse(),
        normalize=False,
    )
    assert np.sum(found, axis=1).tolist() == distance.numpy().tolist()


@pytest.mark.parametrize(
    ("hypothesis", "reference", "errors"),
    [
        # jiwer's measures: substitutions, insertions, deletions.
        ([1, 2, 3], [1, 2, 3], (0, 0, 0)),
        ([1, 9, 3], [1, 2, 3], (1, 0, 0)),
        ([1, 2, 3, 4], [1, 2, 3, 0], (0, 1, 0)),
        ([1, 3, 0], [1, 2, 3], (0, 0, 1)),
        ([0, 0, 0], [1, 2, 3], (0, 0, 3)),
        ([1, 2, 3], [0, 0, 0], (0, 3, 0)),
        ([0, 1, 0, 2, 0, 0, 3], [1, 2, 3], (0, 0, 0)),
        # One right word, not two substitutions.
        ([2, 1], [1, 2], (0, 1, 1)),
    ],
)
def test_by_hand(hypothesis, reference, errors):
    assert counted([hypothesis], [reference]) == [list(errors)]


def test_long_sequences_do_not_overflow():
    assert counted([[1] * 3000], [[2] * 5]) == [[5, 2995, 0]]
