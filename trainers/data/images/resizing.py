"""The geometry that evaluation, prediction and plain training share."""

import math

import tensorflow as tf


def fit(
    images: tf.Tensor, input_shape: tuple[int, int, int], crop_fraction: float = 1.0
) -> tf.Tensor:
    """Resizes without distortion and cuts out the centre, the classic evaluation crop.

    The short side becomes the input's size over `crop_fraction`, rounded up (224 over
    0.875 is 256), the long side follows, rounded down, and the central input size is
    kept (GoogLeNet section 7). Bilinear with half-pixel centres and without smoothing
    before, as ``tf.image.resize``.

    Args:
      images: uint8 or float32 [..., h, w, C] of any size, rank 3 or 4.
      input_shape: height, width and channels of the model's input.
      crop_fraction: share of height and width that is kept.

    Returns:
      float32 [..., H, W, C], in the range of `images`.
    """
    images = tf.convert_to_tensor(images)
    if images.shape.rank == 3:
        return fit(images[None], input_shape, crop_fraction)[0]
    height, width, num_channels = input_shape
    if crop_fraction == 1 and images.shape[1:3] == (height, width):
        return tf.cast(images, tf.float32)
    size = tf.shape(images)[1:3]
    resized = _resized(size, height, width, crop_fraction)
    offset = (resized - [height, width]) // 2
    # One operation that computes only the pixels kept: `resize` then crop would need
    # memory without bound for a very long and narrow image.
    fitted = tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=[height, width],
        scale=tf.cast(resized / size, tf.float32),
        translation=-tf.cast(offset, tf.float32),
        kernel_type="triangle",
        antialias=False,
    )
    return tf.ensure_shape(fitted, [images.shape[0], height, width, num_channels])


def _resized(
    size: tf.Tensor, height: int, width: int, crop_fraction: float
) -> tf.Tensor:
    """Height and width of the whole image once resized, int32 [2]."""
    # The small number keeps 224 / 0.875 at 256 whatever the rounding of the quotient.
    rows = math.ceil(height / crop_fraction - 1e-6)
    columns = math.ceil(width / crop_fraction - 1e-6)
    full = tf.cast(size, tf.int64)
    # As products of whole numbers: quotients in float32 would round some sizes wrongly.
    height_decides = rows * full[1] >= columns * full[0]
    by_height, by_width = full * rows // full[0], full * columns // full[1]
    resized = tf.where(height_decides, by_height, by_width)
    return tf.cast(tf.maximum(resized, [rows, columns]), tf.int32)
