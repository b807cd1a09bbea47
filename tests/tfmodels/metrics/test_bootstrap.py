"""The chance that a gain is luck."""

import numpy as np
from scipy.stats import norm

from tfmodels.metrics.bootstrap import chance_of_no_gain


def test_chance_is_that_of_the_normal_approximation():
    random = np.random.default_rng(1)
    others = random.binomial(3, 0.3, 2000)
    errors = np.where(
        random.random(2000) < 0.05, random.binomial(3, 0.25, 2000), others
    )
    gain = others - errors
    expected = norm.sf(gain.mean() / (gain.std() / np.sqrt(2000)))
    assert 0.02 < expected < 0.98
    assert abs(chance_of_no_gain(errors, others, 4000) - expected) < 0.03


def test_certain_gains_and_no_gain():
    ones, none = np.ones(50), np.zeros(50)
    assert chance_of_no_gain(none, ones) == 0
    assert chance_of_no_gain(ones, none) == chance_of_no_gain(ones, ones) == 1
