"""Figures for sequences against counting by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.metrics.language_modeling import log_loss
from tfmodels.metrics.language_modeling import sequence_accuracy

LABELS = np.array([[0, 1, 2], [2, 1, 0], [1, 1, 1], [0, 0, 0]], np.int32)
# The second sequence has a mistake that counts, the third one that does not.
GUESSES = np.array([[0, 1, 2], [2, 2, 0], [1, 0, 1], [0, 0, 0]], np.int32)
WEIGHTS = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 0, 0]], np.float32)


def one_hot(classes):
    return np.eye(3, dtype=np.float32)[classes]


def pair(ratio):
    return tuple(float(x) for x in ratio)


def test_sequences_without_a_mistake_that_counts():
    assert pair(sequence_accuracy(one_hot(GUESSES), LABELS, WEIGHTS)) == (2, 3)


def test_an_empty_batch_counts_nothing():
    assert pair(sequence_accuracy(one_hot(GUESSES), LABELS, 0 * WEIGHTS)) == (0, 0)


def test_of_equal_logits_the_lower_class_is_the_guess():
    flat = np.zeros([2, 3, 5], np.float32)
    labels = np.array([[0, 0, 0], [0, 0, 1]], np.int32)
    ones = np.ones([2, 3], np.float32)
    assert pair(sequence_accuracy(flat, labels, ones)) == (1, 2)


def test_log_loss_of_known_probabilities():
    logits = np.log(np.array([[[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]], np.float32))
    labels = np.array([[0, 1]], np.int32)
    nats, weight = pair(log_loss(logits, labels, np.array([[1.0, 2.0]], np.float32)))
    assert nats == pytest.approx(np.log(2) + 2 * np.log(5))
    assert weight == 3


def test_uniform_logits_have_the_perplexity_of_the_vocabulary():
    nats, weight = pair(log_loss(np.zeros([4, 3, 3], np.float32), LABELS, WEIGHTS))
    assert np.exp(nats / weight) == pytest.approx(3)


@pytest.mark.parametrize("figure", [sequence_accuracy, log_loss])
def test_two_halves_add_up(figure):
    logits = np.random.default_rng(0).normal(size=(4, 3, 3)).astype(np.float32)
    whole = pair(figure(logits, LABELS, WEIGHTS))
    halves = [
        pair(figure(logits[half], LABELS[half], WEIGHTS[half]))
        for half in (slice(0, 1), slice(1, 4))
    ]
    np.testing.assert_allclose(np.sum(halves, axis=0), whole, rtol=1e-6)


def test_half_precision_is_summed_in_float32():
    logits = tf.zeros([4, 3, 3], tf.bfloat16)
    assert log_loss(logits, LABELS, WEIGHTS)[0].dtype == tf.float32
