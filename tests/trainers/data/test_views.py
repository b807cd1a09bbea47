"""Published crops: places by hand, and what they have in common."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.data.images.views import _squares
from trainers.data.images.views import _with_short_side
from trainers.data.images.views import short_sides
from trainers.data.images.views import views


def test_sizes_of_other_inputs_follow_in_proportion() -> None:
    assert short_sides(224) == [256, 288, 320, 352]
    assert short_sides(299) == [342, 384, 427, 470]


def test_squares_of_a_wide_and_a_tall_image() -> None:
    wide = _with_short_side(tf.zeros([375, 500, 1]), 256)
    assert wide.shape == (256, 341, 1)
    places = [(int(s.top), int(s.left)) for s in _squares(wide, 256)]
    assert places == [(0, 0), (0, 42), (0, 85)]
    tall = _with_short_side(tf.zeros([500, 375, 1]), 256)
    places = [(int(s.top), int(s.left)) for s in _squares(tall, 256)]
    assert places == [(0, 0), (42, 0), (85, 0)]


def pixels_of(made: tf.Tensor) -> np.ndarray:
    """Where each view's first pixel comes from, of an image that says it."""
    return np.rint(np.asarray(made)[:, 0, 0]).astype(int)


def test_places_of_ten_and_twelve_crops() -> None:
    # Of the input's own scale: short side 256 stays as it is.
    rows, columns = np.meshgrid(np.arange(256), np.arange(300), indexing="ij")
    image = np.stack([rows, columns, 0 * rows], axis=-1).astype(np.float32)
    ten = views(image, (224, 224, 3), 10)
    places = [(0, 0), (0, 76), (32, 0), (32, 76), (16, 38)]
    np.testing.assert_array_equal(pixels_of(ten[:5])[:, :2], places)
    np.testing.assert_array_equal(ten[5:], ten[:5, :, ::-1])
    twelve = views(image, (224, 224, 3), 12)
    # The central square begins at column 22.
    places = [(0, 22), (0, 54), (32, 22), (32, 54), (16, 38), (0, 22)]
    np.testing.assert_array_equal(pixels_of(twelve[:6])[:, :2], places)
    np.testing.assert_array_equal(twelve[6:], twelve[:6, :, ::-1])


def test_144_crops_of_an_image_of_one_colour_are_all_alike() -> None:
    made = views(tf.fill([50, 37, 1], 93), (14, 14, 1), 144)
    assert made.shape == (144, 14, 14, 1)
    np.testing.assert_allclose(made, 93, rtol=1e-6)
    image = np.random.default_rng(0).integers(0, 255, (100, 37, 1), np.uint8)
    made = np.asarray(views(image, (14, 14, 1), 144))
    np.testing.assert_array_equal(made[72:], made[:72, :, ::-1])
    # Of a long image no two crops are at the same place.
    assert len({view.tobytes() for view in made}) == 144


def test_crops_are_squares() -> None:
    with pytest.raises(ConfigError, match=r"task\.crops: .*Received 8 x 9"):
        views(tf.zeros([9, 9, 1]), (8, 9, 1), 10)
