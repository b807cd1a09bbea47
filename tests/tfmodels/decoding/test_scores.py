"""Tests of the two penalties against values of the specification and of Lingvo."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.scores import coverage_penalty
from tfmodels.decoding.scores import length_penalty
from tfmodels.decoding.scores import max_lengths
from tfmodels.errors import ConfigError


@pytest.mark.parametrize(
    ("length", "alpha", "expected"),
    [
        (1, 0.2, 1),
        (1, 3.0, 1),
        (10, 0.2, 1.201124),
        (10, 0.6, 1.732862),
        (20, 1, 25 / 6),
    ],
)
def test_length_penalty(length: int, alpha: float, expected: float):
    config = BeamSearchConfig(length_penalty=float(alpha))
    assert float(length_penalty(tf.constant(length), config)) == pytest.approx(
        expected, abs=1e-6
    )


def whole(log_prob: float, rows: list[list[float]], config: BeamSearchConfig) -> float:
    attention = tf.constant(rows)
    mask = tf.ones([attention.shape[1]])
    score = log_prob / length_penalty(tf.constant(len(rows)), config)
    return float(score + coverage_penalty(tf.reduce_sum(attention, 0), mask, config))


def test_score_of_the_paper():
    rows = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2]]
    score = whole(-4.0, rows, BeamSearchConfig())
    assert score == pytest.approx(-3.959608, abs=1e-6)


@pytest.mark.parametrize(
    ("formula", "expected"), [("lingvo", 1.002714), ("paper", 1.451864)]
)
def test_score_of_lingvo(formula: str, expected: float):
    rows = [[0.45372832, 0.86230338, 0.65504861]] * 2
    config = BeamSearchConfig.parse({"formula": formula})
    score = whole(0.86230338 + 0.65504861, rows, config)
    assert score == pytest.approx(expected, abs=6e-7)


def test_length_ratio_of_lingvo():
    config = BeamSearchConfig(formula="lingvo", length_ratio=2.0, coverage_penalty=1.0)
    coverage, mask = tf.constant([0.4, 3.0, 0.0]), tf.ones([3])
    expected = 2 * (np.log(0.2) + np.log(0.5) + np.log(1e-3))
    actual = float(coverage_penalty(coverage, mask, config))
    assert actual == pytest.approx(expected, rel=1e-6)


def test_source_token_without_attention_costs_and_padding_does_not():
    config = BeamSearchConfig(coverage_penalty=0.2)
    coverage = tf.constant([1.0, 0.0])
    lost = coverage_penalty(coverage, tf.constant([1.0, 1.0]), config)
    padding = coverage_penalty(coverage, tf.constant([1.0, 0.0]), config)
    assert float(lost) == pytest.approx(0.2 * np.log(1e-3), rel=1e-6)
    assert float(padding) == 0


def test_max_lengths():
    assert max_lengths(tf.constant([1, 20]), BeamSearchConfig()).numpy().tolist() == [
        10,
        48,
    ]


def test_more_sequences_than_the_beam_has():
    with pytest.raises(ConfigError, match="n_best to be at most beam_width: 2"):
        BeamSearchConfig.parse({"beam_width": 2, "n_best": 3})
