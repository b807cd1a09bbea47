"""Digits on canvases: whose they are, and whether boxes fit their ink."""

import numpy as np
import tensorflow as tf

from trainers.data.detection.canvases import digit_canvases
from trainers.data.detection.canvases import enlarged
from trainers.data.detection.config import DigitCanvasesData
from trainers.data.images.arrays import load_digits

CONFIG = DigitCanvasesData(batch_size=8, train_examples=40, test_examples=30)


def test_boxes_are_tight_apart_and_the_same_every_time() -> None:
    made = digit_canvases(CONFIG, "train")
    again = digit_canvases(CONFIG, "train")
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert CONFIG.labels[made.labels.max()] == "9"
    numbers = (made.labels >= 0).sum(1)
    assert set(numbers) == {1, 2, 3}
    for image, boxes, labels in zip(*made, strict=True):
        left = (image[:, :, 0] >= 64).astype(int)
        for box in np.rint(boxes[labels >= 0] * 32).astype(int):
            part = left[box[0] : box[2], box[1] : box[3]]
            # Ink at all four edges, and none of it belongs to another box.
            edges = (part[0], part[-1], part[:, 0], part[:, -1])
            assert all(edge.any() for edge in edges)
            part[...] = 0
        assert not left.any()


def test_test_canvases_have_digits_by_other_people() -> None:
    plain = CONFIG.model_copy(update={"scale": (1.0, 1.0), "objects": (1, 1)})
    for split, stranger in (("train", "test"), ("test", "train")):
        made = digit_canvases(plain, split)
        own, others = (
            {image.tobytes() for image in load_digits(name).images}
            for name in (split, stranger)
        )
        for image in made.images:
            windows = np.lib.stride_tricks.sliding_window_view(image[..., 0], (8, 8))
            found = {window.tobytes() for row in windows for window in row}
            assert found & own
            assert not found & others


def test_enlarging_is_tensorflows_bilinear() -> None:
    image = load_digits("train").images[5]
    expected = tf.image.resize(image, [19, 19])[..., 0]
    np.testing.assert_allclose(enlarged(image[..., 0], 19), expected, atol=0.51)
