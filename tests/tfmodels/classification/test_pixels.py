"""Input scaling against hand-computed values."""

import numpy as np
import pytest

from tfmodels.classification.pixels import normalize_pixels

PIXEL = np.array([[[255, 0, 100]]], np.uint8)


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("caffe", [255 - 123.68, -116.78, 100 - 103.94]),
        ("inception", [1.0, -1.0, 100 / 127.5 - 1]),
        (
            "torch",
            [(1 - 0.485) / 0.229, -0.456 / 0.224, (100 / 255 - 0.406) / 0.225],
        ),
    ],
)
def test_colour(scaling, expected):
    normalized = normalize_pixels(PIXEL, scaling)
    assert normalized.dtype == "float32"
    np.testing.assert_allclose(normalized[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("caffe", 51 - (123.68 + 116.78 + 103.94) / 3),
        ("inception", 51 / 127.5 - 1),
        ("torch", (0.2 - (0.485 + 0.456 + 0.406) / 3) / ((0.229 + 0.224 + 0.225) / 3)),
    ],
)
def test_grey_takes_the_average_of_the_channels(scaling, expected):
    grey = np.full((2, 4, 4, 1), 51.0, np.float32)
    np.testing.assert_allclose(normalize_pixels(grey, scaling), expected, rtol=1e-5)


def test_other_channel_counts_are_refused():
    with pytest.raises(ValueError, match=r"1 or 3.*\(2, 2, 4\)"):
        normalize_pixels(np.zeros((2, 2, 4)), "torch")
