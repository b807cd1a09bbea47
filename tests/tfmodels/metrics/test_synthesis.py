"""Measures of synthesis: identities, brute force, scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge

from tfmodels.metrics.alignment_health import alignment_health
from tfmodels.metrics.alignment_health import boundary_error
from tfmodels.metrics.cepstral_distortion import cepstra
from tfmodels.metrics.cepstral_distortion import cepstral_distortion
from tfmodels.metrics.discriminant import LinearDiscriminant
from tfmodels.metrics.discriminant import RidgeClassifier
from tfmodels.metrics.discriminant import language_print
from tfmodels.metrics.fundamental_frequency import fundamental_frequency
from tfmodels.metrics.fundamental_frequency import pitch_errors


def test_a_cosine_of_three_decibels():
    mel = np.random.default_rng(0).normal(size=(7, 40))
    mel[:] = mel[:1]
    cosine = np.cos(np.pi * 4 * (np.arange(40) + 0.5) / 40)
    other = mel + 3 * np.log(10) / 20 * cosine
    assert cepstral_distortion(mel, other).decibel == pytest.approx(3 / 2**0.5)
    # Loudness is no part of it.
    assert cepstral_distortion(mel, mel + 1).decibel == pytest.approx(0, abs=1e-5)


def test_frames_twice_cost_nothing():
    mel = np.random.default_rng(1).normal(size=(6, 40))
    found = cepstral_distortion(mel, np.repeat(mel, 2, axis=0))
    assert found.decibel == pytest.approx(0, abs=1e-5)
    np.testing.assert_array_equal(found.path[:, 0], found.path[:, 1] // 2)


def test_the_path_is_the_cheapest():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(4, 20)), rng.normal(size=(3, 20))
    a, b = cepstra(first), cepstra(second)
    far = np.sqrt(2 * np.sum((a[:, None] - b) ** 2, -1)) * 10 / np.log(10)
    best = np.inf
    for count in range(4, 7):
        for steps in itertools.product(((1, 1), (1, 0), (0, 1)), repeat=count - 1):
            path = np.cumsum([(0, 0), *steps], axis=0)
            if tuple(path[-1]) == (3, 2) and path[:, 1].max() < 3:
                best = min(best, far[path[:, 0], path[:, 1]].sum())
    found = cepstral_distortion(first, second)
    total = far[found.path[:, 0], found.path[:, 1]].sum()
    assert total == pytest.approx(best)
    assert found.decibel == pytest.approx(total / len(found.path))


def test_a_judge_like_that_of_scikit_learn():
    rng = np.random.default_rng(3)
    labels = np.arange(90) % 3
    examples = rng.normal(size=(90, 5)) + rng.normal(size=(3, 5))[labels]
    ours = LinearDiscriminant(examples, labels)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(examples, labels)
    np.testing.assert_array_equal(ours.predict(examples), theirs.predict(examples))


def test_a_judge_of_languages_like_that_of_scikit_learn():
    rng = np.random.default_rng(5)
    labels = np.arange(60) % 3
    examples = 3 + rng.normal(size=(60, 40)) + rng.normal(size=(3, 40))[labels] / 2
    scaled = (examples - examples.mean(0)) / examples.std(0)
    theirs = Ridge(alpha=6).fit(scaled, np.eye(3)[labels]).predict(scaled)
    ours = RidgeClassifier(examples, labels).predict(examples)
    np.testing.assert_array_equal(ours, theirs.argmax(1))


def test_what_follows_what_is_of_a_language():
    frames = np.random.default_rng(6).normal(size=(200, 40))
    forward, backward = language_print(frames), language_print(frames[::-1])
    assert len(forward) == 13 * 2 + 2 * 13 * 14 // 2 + 2 * 13 * 13
    # Which frames there are is the same; in which order is not.
    np.testing.assert_allclose(forward[:208], backward[:208], atol=1e-9)
    lagged = forward[208:377].reshape(13, 13)
    np.testing.assert_allclose(lagged.T, backward[208:377].reshape(13, 13), atol=1e-9)
    c = cepstra(frames) - cepstra(frames).mean(0)
    assert lagged[2, 5] == pytest.approx(np.mean(c[3:, 2] * c[:-3, 5]))


def test_health_of_an_alignment():
    health = alignment_health(np.eye(5)[[0, 0, 1, 3, 2, 4]])
    assert health == (1.0, pytest.approx(0.8), 2, 1)
    assert alignment_health(np.eye(4)[[0, 1]]).coverage == 0.5


def test_error_of_boundaries():
    alignment = np.eye(3)[[0, 0, 0, 1, 1, 2]]
    assert boundary_error(alignment, np.array([0, 0, 0, 1, 1, 2]), 1, 10) == 0
    # The second symbol two steps late, the third one step.
    late = boundary_error(alignment, np.array([0, 1, 1, 1, 2, -1]), 1, 10)
    assert late == pytest.approx(15)
    # Never reached: as if it began behind the end.
    never = boundary_error(alignment[:4], np.array([0, 0, 0, 1, 1, 2]), 1, 10)
    assert never == pytest.approx(5)


def test_boundaries_are_found_between_steps():
    second = np.array([0.0, 0.2, 0.6, 1.0])
    alignment = np.stack([1 - second, second], axis=1)
    # Half of it is there three quarters of a step after the middle of step 1.
    frames = 3 * (1.5 + 0.75)
    token = np.repeat([0, 1], 6)
    assert boundary_error(alignment, token, 3, 10) == pytest.approx(10 * (frames - 6))


@pytest.mark.parametrize("hz", [90.0, 220.0, 310.0])
def test_height_of_a_voice(hz):
    rate = 16_000
    time = np.arange(rate // 2) / rate
    sound = sum(np.sin(2 * np.pi * n * hz * time) / n for n in range(1, 12))
    noise = np.random.default_rng(4).normal(size=rate // 4)
    found = fundamental_frequency(np.concatenate([sound, noise]), rate, 200)
    assert found.shape == (1 + 12_000 // 200,)
    np.testing.assert_allclose(found[4:32], hz, rtol=0.01)
    assert np.mean(found[45:] > 0) < 0.2
    assert not fundamental_frequency(np.zeros(1000), rate, 200).any()


def test_errors_of_pitch():
    first, second = np.array([100.0, 0, 200, 0]), np.array([110.0, 120, 200, 0])
    path = np.stack([np.arange(4)] * 2, axis=1)
    found = pitch_errors(first, second, path)
    assert found.log_rmse == pytest.approx(np.log(1.1) / 2**0.5)
    assert found.voicing == 0.25
    assert found.correlation == pytest.approx(1)  # of two frames, which both rise


def test_pitch_that_moves_otherwise():
    rise = np.array([100.0, 120, 150, 0, 160])
    path = np.stack([np.arange(5)] * 2, axis=1)
    right = np.corrcoef(np.log([rise[:3], [200.0, 190, 230]]))[0, 1]
    other = np.array([200.0, 190, 230, 100, 0])
    assert pitch_errors(rise, other, path).correlation == pytest.approx(right)
    assert pitch_errors(rise, 2 * rise, path).correlation == pytest.approx(1)
    for flat in (np.full(5, 100.0), np.zeros(5)):
        assert np.isnan(pitch_errors(rise, flat, path).correlation)
