"""Classification figures against scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from tfmodels.metrics.classification import confusion_matrix
from tfmodels.metrics.classification import top_k

NUM_CLASSES = 7


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits [40, 7], labels [40] and weights [40], a quarter of them 0."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, NUM_CLASSES)).astype(np.float32)
    labels = rng.integers(0, NUM_CLASSES, 40).astype(np.int32)
    weights = rng.choice([0.0, 0.5, 1.0, 2.0], 40).astype(np.float32)
    return logits, labels, weights


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_equals_scikit_learn(scored: tuple, k: int) -> None:
    logits, labels, weights = scored
    hits, total = top_k(*map(tf.constant, scored), k)
    expected = sklearn.metrics.top_k_accuracy_score(
        labels, logits, k=k, sample_weight=weights, labels=range(NUM_CLASSES)
    )
    assert float(hits / total) == pytest.approx(expected)
    assert float(total) == weights.sum()


def test_top_k_of_more_guesses_than_classes_always_hits(scored: tuple) -> None:
    hits, total = top_k(*map(tf.constant, scored), NUM_CLASSES + 3)
    assert float(hits) == float(total)


@pytest.mark.parametrize(("k", "expected"), [(1, 1.0), (3, 3.0), (5, 5.0)])
def test_equal_logits_score_as_guessing_does(k: int, expected: float) -> None:
    labels = tf.range(NUM_CLASSES)
    hits, total = top_k(
        tf.zeros([NUM_CLASSES, NUM_CLASSES]), labels, tf.ones([NUM_CLASSES]), k
    )
    assert (float(hits), float(total)) == (expected, 7.0)


def test_tokens_count_like_examples(scored: tuple) -> None:
    flat = top_k(*map(tf.constant, scored), 2)
    shaped = [tf.reshape(part, [8, 5, *part.shape[1:]]) for part in scored]
    np.testing.assert_allclose(top_k(*shaped, 2), flat, rtol=1e-6)
    np.testing.assert_allclose(
        confusion_matrix(*shaped)[0], confusion_matrix(*map(tf.constant, scored))[0]
    )


def test_confusion_matrix_equals_scikit_learn(scored: tuple) -> None:
    logits, labels, weights = scored
    counts, total = confusion_matrix(*map(tf.constant, scored))
    expected = sklearn.metrics.confusion_matrix(
        labels,
        logits.argmax(axis=1),
        sample_weight=weights,
        labels=range(NUM_CLASSES),
    )
    np.testing.assert_allclose(counts, expected, rtol=1e-6)
    assert float(total) == pytest.approx(float(np.sum(counts)))


def test_sums_over_parts_equal_the_sum_over_all(scored: tuple) -> None:
    whole = top_k(*map(tf.constant, scored), 3)
    parts = [
        top_k(*(tf.constant(part[rows]) for part in scored), 3)
        for rows in (slice(0, 13), slice(13, 40))
    ]
    np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-6)
