"""From pixels to the inputs that a network was trained with."""

from typing import Any

import tensorflow as tf

from tfmodels.classification.config import InputScaling

MEAN_AND_DEVIATION: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "caffe": ((123.68, 116.78, 103.94), (1.0, 1.0, 1.0)),
    "inception": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "torch": (
        (0.485 * 255, 0.456 * 255, 0.406 * 255),
        (0.229 * 255, 0.224 * 255, 0.225 * 255),
    ),
}
"""Per scaling: what is subtracted from red, green and blue, and what divides them."""


def normalize_pixels(images: Any, scaling: InputScaling) -> tf.Tensor:
    """Computes ``(images - mean) / deviation`` per channel.

    Args:
      images: uint8 or float [..., H, W, C], values 0 to 255; C is 3 (red, green, blue)
        or 1 (grey, which takes the average of the three channels' constants).
      scaling: ``caffe`` (means only), ``inception`` (to -1 ... 1) or ``torch``.

    Returns:
      float32 [..., H, W, C].

    Raises:
      ValueError: the images have neither 1 nor 3 channels.
    """
    mean, deviation = (
        tf.constant(values, tf.float32) for values in MEAN_AND_DEVIATION[scaling]
    )
    images = tf.cast(images, tf.float32)
    channels = images.shape[-1]
    if channels == 1:
        mean, deviation = tf.reduce_mean(mean), tf.reduce_mean(deviation)
    elif channels != 3:
        raise ValueError(
            "Images have a wrong number of channels. Expected: 1 or 3 as the last"
            f" dimension. Received: shape {tuple(images.shape)}."
        )
    return (images - mean) / deviation
