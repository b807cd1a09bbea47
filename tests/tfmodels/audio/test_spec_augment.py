"""SpecAugment: masks and warp against numpy, from given numbers and from seeds."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.audio.config import POLICIES
from tfmodels.audio.config import SpecAugmentConfig
from tfmodels.audio.spec_augment import SpecAugment

FRAMES, BANDS = 60, 12
LENGTHS = np.array([60, 41, 7, 1], np.int32)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(5, 2, [len(LENGTHS), FRAMES, BANDS]).astype(np.float32)
    there = np.arange(FRAMES) < LENGTHS[:, None]
    return np.where(there[..., None], values, 0).astype(np.float32)


def masked(features, length, draws, config):
    """One utterance by the definition of arXiv:1904.08779, section 2, no warp."""
    result = features.copy()
    draws = iter(np.float32(draws[2:]))
    mean = features[:length].mean(axis=0)
    for _ in range(config.frequency_masks):
        f = int(next(draws) * (config.frequency_width + 1))
        f0 = int(next(draws) * (BANDS - f))
        result[:length, f0 : f0 + f] = mean[f0 : f0 + f]
    for _ in range(config.time_masks):
        most = min(config.time_width, int(config.time_share * length))
        t = int(next(draws) * (most + 1))
        t0 = int(next(draws) * max(length - t, 1))
        result[t0 : t0 + t] = np.where(np.arange(t)[:, None] + t0 < length, mean, 0)
    return result


@pytest.mark.parametrize(
    "config",
    [
        SpecAugmentConfig(frequency_width=5, time_width=8, time_share=0.5),
        SpecAugmentConfig(frequency_masks=1, frequency_width=3, time_masks=0),
        SpecAugmentConfig(frequency_masks=0, time_masks=3, time_width=20),
    ],
)
def test_masks_of_given_numbers(features, config) -> None:
    augment = SpecAugment(config)
    rng = np.random.default_rng(1)
    for _ in range(5):
        draws = rng.random([len(LENGTHS), augment.num_draws], np.float32)
        found = augment.apply(features, tf.constant(LENGTHS), draws).numpy()
        for row, length in enumerate(LENGTHS):
            wanted = masked(features[row], length, draws[row], config)
            np.testing.assert_allclose(found[row], wanted, atol=1e-5)


def test_last_places(features) -> None:
    # Starts are below bands (frames) less the width: the paper's [0, v - f).
    config = SpecAugmentConfig(
        frequency_masks=1, frequency_width=4, time_masks=1, time_width=9
    )
    augment = SpecAugment(config)
    last = np.nextafter(np.float32(1), np.float32(0))
    draws = np.array([[0, 0, last, last, last, last]] * len(LENGTHS), np.float32)
    found = augment.apply(features, tf.constant(LENGTHS), draws).numpy()
    changed = found != features
    assert np.flatnonzero(changed[0].all(axis=0)).tolist() == [7, 8, 9, 10]
    assert np.flatnonzero(changed[0].all(axis=1)).tolist() == list(range(50, 59))
    for row, length in enumerate(LENGTHS):
        assert not changed[row, length:].any()
    draws[:, 2:] = 0
    np.testing.assert_array_equal(
        augment.apply(features, tf.constant(LENGTHS), draws), features
    )


def warped(features, length, draws, reach):
    """One utterance: piecewise linear in time, with numpy's interpolation."""
    if length <= 2 * reach:
        return features
    centre = reach + int(np.float32(draws[0]) * (length - 2 * reach))
    moved = centre + int(np.float32(draws[1]) * (2 * reach + 1)) - reach
    moved = min(max(moved, 1), length - 2)
    source = np.interp(
        np.arange(length), [0, moved, length - 1], [0, centre, length - 1]
    )
    result = features.copy()
    for band in range(BANDS):
        result[:length, band] = np.interp(
            source, np.arange(length), features[:length, band]
        )
    return result


def test_warp_of_given_numbers(features) -> None:
    config = SpecAugmentConfig(warp=5, frequency_masks=0, time_masks=0)
    augment = SpecAugment(config)
    rng = np.random.default_rng(2)
    edges = [[0, 0], [1 - 1e-6, 1 - 1e-6], [0.5, 0]]
    for draws in (*rng.random([4, 2]), *edges):
        given = np.tile(np.float32(draws), [len(LENGTHS), 1])
        found = augment.apply(features, tf.constant(LENGTHS), given).numpy()
        for row, length in enumerate(LENGTHS):
            wanted = warped(features[row], length, draws, 5)
            np.testing.assert_allclose(found[row], wanted, atol=2e-3)


def test_seeds_decide_and_it_compiles(features) -> None:
    augment = SpecAugment(SpecAugmentConfig(warp=5, frequency_width=4, time_width=9))
    seeds = tf.constant([[1, 2], [3, 4], [1, 2], [5, 6]], tf.int64)
    lengths = tf.constant([60, 60, 60, 60])
    same = tf.repeat(features[:1], 4, axis=0)
    found = augment(same, lengths, seeds).numpy()
    np.testing.assert_array_equal(found[0], found[2])
    assert np.any(found[0] != found[1])
    alone = augment(same[1:2], lengths[1:2], seeds[1:2]).numpy()
    np.testing.assert_allclose(alone[0], found[1], atol=1e-5)
    # XLA draws other numbers of the same seeds, and computes the same with given ones.
    compiled = tf.function(augment, jit_compile=True)(same, lengths, seeds).numpy()
    np.testing.assert_array_equal(compiled[0], compiled[2])
    assert np.any(compiled[0] != compiled[1])
    draws = np.random.default_rng(3).random([4, augment.num_draws], np.float32)
    np.testing.assert_allclose(
        tf.function(augment.apply, jit_compile=True)(same, lengths, draws),
        augment.apply(same, lengths, draws),
        atol=1e-4,
    )


def test_published_policies() -> None:
    rows = {
        name: (p.warp, p.frequency_width, p.frequency_masks, p.time_width)
        for name, p in POLICIES.items()
    }
    assert rows == {
        "LB": (80, 27, 1, 100),
        "LD": (80, 27, 2, 100),
        "SM": (40, 15, 2, 70),
        "SS": (40, 27, 2, 70),
    }
    shares = {name: (p.time_share, p.time_masks) for name, p in POLICIES.items()}
    assert shares == {"LB": (1, 1), "LD": (1, 2), "SM": (0.2, 2), "SS": (0.2, 2)}
