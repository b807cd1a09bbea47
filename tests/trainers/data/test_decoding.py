"""Decoding and the geometry of evaluation, against Pillow and plain resizing."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainers.data import photographs
from tfmodels.errors import DataError
from trainers.data.images.decoding import decode
from trainers.data.images.decoding import decode_file
from trainers.data.images.resizing import fit

COLOUR = (200, 50, 10)
RED = Image.new("RGB", (30, 20), COLOUR)
FORMATS = {
    "cmyk.jpeg": photographs.encode(RED.convert("CMYK"), "JPEG", quality=95),
    "rgb.jpeg": photographs.encode(RED, "JPEG", quality=100, subsampling=0),
    "rgb.png": photographs.encode(RED, "PNG"),
    "rgba.png": photographs.encode(RED.convert("RGBA"), "PNG"),
    "rgb.gif": photographs.encode(RED, "GIF"),
    "rgb.bmp": photographs.encode(RED, "BMP"),
    "rgb.webp": photographs.encode(RED, "WEBP", lossless=True),
}
GRAY_FORMATS = {
    "gray.jpeg": photographs.encode(RED.convert("L"), "JPEG", quality=95),
    "gray.png": photographs.encode(RED.convert("L"), "PNG"),
    "gray_alpha.png": photographs.encode(RED.convert("LA"), "PNG"),
}
CHINA = photographs.encoded("china")
DAMAGED = {
    "half a JPEG": CHINA[: len(CHINA) // 2],
    "JPEG without its last bytes": CHINA[:-2],
    "half a PNG": FORMATS["rgb.png"][:-20],
    "nothing": b"",
    "text": b"this is not an image",
}


@pytest.mark.parametrize("name", photographs.NAMES)
def test_jpeg_pixels_are_those_of_pillow(name):
    image = decode(photographs.encoded(name), 3)
    np.testing.assert_array_equal(image, photographs.pixels(name))


@pytest.mark.parametrize("name", FORMATS)
def test_formats_in_colour(name):
    image = decode(FORMATS[name], 3).numpy()
    assert image.shape == (20, 30, 3)
    np.testing.assert_allclose(image.reshape(-1, 3).mean(0), COLOUR, atol=2)


@pytest.mark.parametrize("name", FORMATS | GRAY_FORMATS)
def test_formats_in_gray(name):
    image = decode((FORMATS | GRAY_FORMATS)[name], 1).numpy()
    assert image.shape == (20, 30, 1)
    np.testing.assert_allclose(image.mean(), np.mean(RED.convert("L")), atol=2)


@pytest.mark.parametrize("name", GRAY_FORMATS)
def test_gray_becomes_colour(name):
    image = decode(GRAY_FORMATS[name], 3).numpy()
    assert np.ptp(image, axis=-1).max() == 0
    np.testing.assert_allclose(image.mean(), np.mean(RED.convert("L")), atol=2)


def test_gray_values_survive_exactly():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    png = photographs.encode(Image.fromarray(values), "PNG")
    np.testing.assert_array_equal(decode(png, 1)[..., 0], values)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_images_are_errors(name, tmp_path):
    path = tmp_path / "image.jpeg"
    path.write_bytes(DAMAGED[name])
    for source in (path, str(path), DAMAGED[name]):
        with pytest.raises(DataError, match="cannot read the image"):
            decode_file(source, (8, 8, 3))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.png.*No such file"):
        decode_file(tmp_path / "absent.png", (8, 8, 3))


@pytest.mark.parametrize("shape", [(427, 640), (375, 500), (500, 375), (60, 47)])
@pytest.mark.parametrize(("size", "fraction"), [(224, 0.875), (32, 1.0), (299, 0.875)])
def test_fit_is_resizing_of_the_short_side_then_a_central_crop(shape, size, fraction):
    image = photographs.pixels("china")[: shape[0], : shape[1]]
    height, width = image.shape[:2]
    short = {(224, 0.875): 256, (32, 1.0): 32, (299, 0.875): 342}[size, fraction]
    if height < width:
        resized = (short, width * short // height)
    else:
        resized = (height * short // width, short)
    top, left = (resized[0] - size) // 2, (resized[1] - size) // 2
    expected = tf.image.resize(image, resized)[top : top + size, left : left + size]
    np.testing.assert_allclose(
        fit(image, (size, size, 3), fraction), expected, atol=0.1
    )


def test_fit_of_the_published_example():
    # 500 x 375 pixels: 341 x 256 once resized, the central square starts at column 42.
    columns = np.broadcast_to(np.arange(500.0, dtype=np.float32), (375, 500))
    fitted = fit(tf.constant(columns[..., None]), (256, 256, 1)).numpy()
    first = (42 + 0.5) * 500 / 341 - 0.5
    np.testing.assert_allclose(fitted[0, 0, 0], first, atol=1e-3)


def test_fit_leaves_images_of_the_right_size_alone():
    image = photographs.pixels("flower")[:20, :20]
    encoded = photographs.encode(Image.fromarray(image), "PNG")
    np.testing.assert_array_equal(decode_file(encoded, (20, 20, 3)), image)
    np.testing.assert_array_equal(fit(image, (20, 20, 3)), image)


def test_fit_of_a_batch_is_that_of_each_image():
    images = np.stack(
        [photographs.pixels(name)[:40, :50] for name in photographs.NAMES]
    )
    batch = fit(images, (12, 16, 3), 0.9)
    assert batch.shape == (2, 12, 16, 3)
    for one, image in zip(batch, images, strict=True):
        np.testing.assert_array_equal(one, fit(image, (12, 16, 3), 0.9))


def test_fit_of_a_line_of_pixels_needs_no_more_memory_than_its_result():
    line = tf.zeros([1, 60_000, 3], tf.uint8)
    assert fit(line, (224, 224, 3), 0.875).shape == (224, 224, 3)
