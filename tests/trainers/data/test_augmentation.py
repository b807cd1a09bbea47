"""Distributions and limits of augmentation."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.data import photographs
from tfmodels.errors import ConfigError
from trainers.data.config import InceptionAugmentation
from trainers.data.images import augmentation

NUM_DRAWS = 10_000
PLAIN = {
    "flip": False,
    "random_resize_method": False,
    "brightness": 0.0,
    "saturation": None,
    "hue": 0.0,
    "contrast": None,
    "area": (1.0, 1.0),
    "aspect": (1.0, 1.0),
}


def config(**changes):
    return InceptionAugmentation(**{**PLAIN, **changes})


def over_seeds(function, num_draws=NUM_DRAWS):
    """`function` of many seeds, as one array."""
    dataset = tf.data.Dataset.range(num_draws).map(
        lambda number: function(tf.stack([number, 17 * number + 5]))
    )
    return np.concatenate(list(dataset.batch(500).as_numpy_iterator()))


def boxes(size, **changes):
    chosen = InceptionAugmentation(**changes)
    return over_seeds(
        lambda seed: augmentation.crop_box(tf.constant(size), seed, chosen)
    )


def test_crops_keep_to_their_limits():
    top, left, height, width = boxes([1000, 1000]).T
    area = height * width / 1e6
    assert 0.08 - 0.001 <= area.min() < 0.09
    assert 0.95 < area.max() <= 1
    aspect = width / height
    assert 0.75 - 0.005 <= aspect.min() < 0.76
    assert 1.32 < aspect.max() <= 4 / 3 + 0.005
    assert min(top.min(), left.min()) == 0
    assert (top + height).max() == (left + width).max() == 1000


def test_area_is_uniform_when_every_draw_fits():
    _, _, height, width = boxes([1000, 1000], aspect=(1.0, 1.0)).T
    area = np.sort(height * width / 1e6)
    # GoogLeNet's 8 % to 100 %: mean 0.54, deviation 0.92 / sqrt(12).
    assert abs(area.mean() - 0.54) < 4 * 0.92 / np.sqrt(12 * NUM_DRAWS)
    # Kolmogorov-Smirnov: above 1.95 / sqrt(n) once in a thousand.
    uniform = (area - 0.08) / 0.92
    steps = np.arange(1, NUM_DRAWS + 1) / NUM_DRAWS
    assert np.abs(uniform - steps).max() < 1.95 / np.sqrt(NUM_DRAWS) + 0.002


def test_rejection_leaves_the_distribution_that_numpy_finds():
    size = [400, 600]
    _, _, height, width = boxes(size).T
    random = np.random.default_rng(0)
    area = random.uniform(0.08, 1, 100_000) * size[0] * size[1]
    aspect = random.uniform(0.75, 4 / 3, 100_000)
    sides = np.sqrt([area / aspect, area * aspect])
    fits = (sides[0] <= size[0]) & (sides[1] <= size[1])
    np.testing.assert_allclose(height.mean(), sides[0][fits].mean(), rtol=0.02)
    np.testing.assert_allclose(width.mean(), sides[1][fits].mean(), rtol=0.02)


def test_offsets_are_uniform():
    top, left, height, width = boxes([100, 100], area=(0.25, 0.25), aspect=(1, 1)).T
    assert set(height) == set(width) == {50}
    for offset in (top, left):
        counts = np.bincount(offset, minlength=51)
        expected = NUM_DRAWS / 51
        # Chi-square with 50 degrees of freedom: above 86.7 once in a thousand.
        assert np.sum((counts - expected) ** 2) / expected < 86.7


def test_crop_falls_back_to_the_whole_image():
    # No part of a 10 x 1000 image covers half of it with a ratio near 1.
    found = boxes([10, 1000], area=(0.5, 1.0))[:100]
    np.testing.assert_array_equal(found, [[0, 0, 10, 1000]] * 100)


def test_inception_of_nothing_is_resizing():
    image = tf.constant(photographs.pixels("china"))
    changed = augmentation.inception(
        image[:400, :400], tf.constant([3, 4], tf.int64), config(), (64, 64, 3)
    )
    expected = tf.image.resize(image[:400, :400], [64, 64])
    np.testing.assert_allclose(changed, expected, atol=1e-3)


def test_half_of_the_images_are_mirrored():
    image = tf.constant([[[255] * 3, [0] * 3]] * 2, tf.uint8)
    images = over_seeds(
        lambda seed: augmentation.inception(image, seed, config(flip=True), (2, 2, 3))
    )
    share = images.reshape(-1, 2, 2, 3)[:, 0, 0, 0].mean() / 255
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(NUM_DRAWS)


def test_resize_methods_are_equally_likely():
    image = tf.constant(photographs.pixels("china")[:16, :16])
    methods = {
        name: tf.clip_by_value(
            tf.cast(tf.image.resize(image, [5, 5], name), tf.float32), 0, 255
        )
        for name in ("bilinear", "area", "nearest", "bicubic")
    }
    chosen = config(random_resize_method=True)
    images = over_seeds(
        lambda seed: augmentation.inception(image, seed, chosen, (5, 5, 3)), 2000
    ).reshape(-1, 5, 5, 3)
    for expected in methods.values():
        share = np.mean(np.abs(images - expected).max((1, 2, 3)) < 1e-3)
        assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)


def colours(values, num_draws=2000, **changes):
    """What becomes of a square image of equal rows: 0 to 1, [num_draws, width, 3]."""
    image = tf.reshape(tf.constant(values, tf.uint8), [1, -1, 3])
    width = image.shape[1]
    image = tf.tile(image, [width, 1, 1])
    chosen = config(**changes)
    drawn = over_seeds(
        lambda seed: augmentation.inception(image, seed, chosen, image.shape), num_draws
    )
    return drawn.reshape(num_draws, width, width, 3)[:, 0] / 255


def test_brightness_is_added():
    shifts = colours([100, 100, 100], brightness=32 / 255)[:, 0, 0] * 255 - 100
    assert -32.01 < shifts.min() < -31
    assert 31 < shifts.max() < 32.01
    assert abs(shifts.mean()) < 4 * 64 / np.sqrt(12 * 2000)


def test_saturation_is_multiplied():
    start = colorsys.rgb_to_hsv(0.6, 0.4, 0.4)
    changed = colours([153, 102, 102], saturation=(0.5, 1.5))[:, 0]
    hsv = np.array([colorsys.rgb_to_hsv(*colour) for colour in changed])
    factors = hsv[:, 1] / start[1]
    assert 0.5 - 1e-3 < factors.min() < 0.51
    assert 1.49 < factors.max() < 1.5 + 1e-3
    np.testing.assert_allclose(hsv[:, 2], start[2], atol=1e-4)


def test_hue_is_turned():
    changed = colours([200, 100, 100], hue=0.2)[:, 0]
    hues = np.array([colorsys.rgb_to_hsv(*colour)[0] for colour in changed])
    turns = (hues + 0.5) % 1 - 0.5
    assert -0.201 < turns.min() < -0.19
    assert 0.19 < turns.max() < 0.201


def test_contrast_is_multiplied_around_the_mean():
    changed = colours([[100] * 3, [140] * 3], contrast=(0.5, 1.5))[:, :, 0] * 255
    np.testing.assert_allclose(changed.mean(1), 120, atol=1e-3)
    factors = (changed[:, 1] - changed[:, 0]) / 40
    assert 0.5 - 1e-3 < factors.min() < 0.51
    assert 1.49 < factors.max() < 1.5 + 1e-3


def test_all_changes_together_stay_in_range():
    image = tf.constant(photographs.pixels("flower"))
    images = over_seeds(
        lambda seed: augmentation.inception(
            image, seed, InceptionAugmentation(), (32, 32, 3)
        ),
        100,
    )
    assert images.min() >= 0
    assert images.max() <= 255
    assert np.isfinite(images).all()


def test_contrast_comes_before_saturation_in_one_of_the_four_orders():
    # Contrast has one mean per channel, so the two do not commute.
    values = [[20, 90, 160], [240, 10, 130]]
    changed = colours(values, saturation=(0.5, 0.5), contrast=(0.6, 0.6))
    image = tf.constant([values], tf.float32) / 255
    contrast_last = tf.image.adjust_contrast(
        tf.image.adjust_saturation(image, 0.5), 0.6
    )
    contrast_first = tf.image.adjust_saturation(
        tf.image.adjust_contrast(image, 0.6), 0.5
    )
    shares = [
        np.mean(np.abs(changed - expected).max((1, 2)) < 1e-4)
        for expected in (contrast_last, contrast_first)
    ]
    assert sum(shares) == 1
    assert abs(shares[1] - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)


@pytest.mark.parametrize("changes", [{"saturation": (0.5, 1.5)}, {"hue": 0.1}])
def test_colour_changes_of_gray_images_are_refused(changes):
    with pytest.raises(ConfigError, match=r"data\.augmentation"):
        augmentation.check_channels(config(**changes), 1)
    augmentation.check_channels(config(**changes), 3)
    augmentation.check_channels(config(), 1)


@pytest.mark.parametrize("pixels", [1, 2])
def test_shift_moves_whole_pixels_and_fills_with_zeros(pixels):
    random = np.random.default_rng(0)
    images = random.uniform(1, 255, (200, 5, 6, 2)).astype(np.float32)
    seeds = random.integers(0, 2**32, (200, 2))
    moved = augmentation.shift(tf.constant(images), tf.constant(seeds), pixels).numpy()
    found = []
    for before, after in zip(images, moved, strict=True):
        padded = np.pad(before, [(pixels, pixels), (pixels, pixels), (0, 0)])
        places = [
            (row, column)
            for row in range(2 * pixels + 1)
            for column in range(2 * pixels + 1)
            if np.array_equal(padded[row : row + 5, column : column + 6], after)
        ]
        assert len(places) == 1
        found += places
    assert len(set(found)) == (2 * pixels + 1) ** 2
