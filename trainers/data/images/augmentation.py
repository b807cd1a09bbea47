"""Random changes of training images, each a function of the example's seed alone."""

from collections.abc import Callable
from collections.abc import Sequence

import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.data.config import InceptionAugmentation

_RESIZE_METHODS = ("bilinear", "area", "nearest", "bicubic")
_COLOUR_ORDERS = (
    ("brightness", "saturation", "hue", "contrast"),
    ("saturation", "brightness", "contrast", "hue"),
    ("contrast", "hue", "brightness", "saturation"),
    ("hue", "saturation", "contrast", "brightness"),
)
"""The four orders of the public Inception preprocessing (TF-Slim)."""
_MAX_TRIES = 10


def shift(images: tf.Tensor, seeds: tf.Tensor, pixels: int) -> tf.Tensor:
    """Moves each image by up to `pixels` in each direction; zeros come in at the edge.

    Args:
      images: float32 [b, H, W, C].
      seeds: int64 [b, 2], random and not negative; the two decide one direction each.
      pixels: largest shift; all ``2 * pixels + 1`` shifts are equally likely.

    Returns:
      float32 [b, H, W, C].
    """
    height, width = images.shape[1:3]
    first = seeds % (2 * pixels + 1)
    rows = first[:, :1] + tf.range(height, dtype=tf.int64)
    columns = first[:, 1:] + tf.range(width, dtype=tf.int64)
    around = [pixels, pixels]
    padded = tf.pad(images, [[0, 0], around, around, [0, 0]])
    moved = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(moved, columns, axis=2, batch_dims=1)


def check_channels(config: InceptionAugmentation, num_channels: int) -> None:
    """Refuses colour changes of images that have no colour.

    Raises:
      ConfigError: saturation or hue of a gray image would have to change.
    """
    if num_channels != 3 and (config.saturation is not None or config.hue > 0):
        raise ConfigError(
            "gray images have no saturation and no hue. Expected data.augmentation with"
            " saturation: null and hue: 0, or a model whose input has 3 channels."
            f" Received {num_channels} channel(s)."
        )


def inception(
    image: tf.Tensor,
    seed: tf.Tensor,
    config: InceptionAugmentation,
    input_shape: tuple[int, int, int],
) -> tf.Tensor:
    """Random crop, mirror image, interpolation and colour (GoogLeNet section 6).

    Args:
      image: uint8 [h, w, C].
      seed: int64 [2]; decides everything.
      config: ranges of the changes.
      input_shape: height, width and channels of the model's input.

    Returns:
      float32 [H, W, C], clipped to 0 to 255.
    """
    seeds = tf.unstack(tf.random.split(seed, 4))
    top, left, height, width = tf.unstack(crop_box(tf.shape(image), seeds[0], config))
    image = image[top : top + height, left : left + width]
    if config.flip:
        image = tf.image.stateless_random_flip_left_right(image, seeds[1])
    methods = _RESIZE_METHODS if config.random_resize_method else _RESIZE_METHODS[:1]
    image = _one_of([_resize(image, input_shape, name) for name in methods], seeds[2])
    image = _colour(image / 255.0, seeds[3], config)
    return tf.clip_by_value(image, 0.0, 1.0) * 255.0


def crop_box(
    size: tf.Tensor, seed: tf.Tensor, config: InceptionAugmentation
) -> tf.Tensor:
    """A random part of an image, of uniform area and uniform aspect ratio.

    Of ten draws the first that fits into the image counts; if none does, the part is
    the whole image. (TensorFlow's ``sample_distorted_bounding_box`` draws the height
    uniformly, not the area.)

    Args:
      size: int32 [2] or [3], height and width of the image first.
      seed: int64 [2].
      config: ranges of area and aspect ratio.

    Returns:
      int32 [4]: top, left, height, width.
    """
    full = tf.cast(size[:2], tf.float32)
    draws = tf.random.stateless_uniform([_MAX_TRIES, 4], seed, alg="philox")
    area = _between(config.area, draws[:, 0]) * full[0] * full[1]
    aspect = _between(config.aspect, draws[:, 1])
    sides = tf.round(tf.sqrt(tf.stack([area / aspect, area * aspect], axis=-1)))
    sides = tf.maximum(sides, 1.0)
    offsets = tf.floor(draws[:, 2:] * (full - sides + 1.0))
    boxes = tf.concat([offsets, sides], axis=-1)
    fits = tf.reduce_all(sides <= full, axis=-1)
    whole = tf.concat([[0.0, 0.0], full], axis=-1)
    box = tf.where(tf.reduce_any(fits), boxes[tf.argmax(fits)], whole)
    return tf.cast(box, tf.int32)


def _resize(
    image: tf.Tensor, input_shape: tuple[int, int, int], method: str
) -> Callable[[], tf.Tensor]:
    def resized() -> tf.Tensor:
        result = tf.image.resize(image, input_shape[:2], method)
        return tf.cast(result, tf.float32)

    return resized


def _colour(
    image: tf.Tensor, seed: tf.Tensor, config: InceptionAugmentation
) -> tf.Tensor:
    """Changes colours of a float32 [H, W, C] image in 0 to 1, in one of four orders."""
    order_seed, value_seed = tf.unstack(tf.random.split(seed, 2))
    draws = tf.random.stateless_uniform([4], value_seed, alg="philox")
    brightness = _between((-config.brightness, config.brightness), draws[0])
    hue = _between((-config.hue, config.hue), draws[1])
    changes: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {}
    if config.brightness:
        changes["brightness"] = lambda x: tf.image.adjust_brightness(x, brightness)
    if config.hue:
        changes["hue"] = lambda x: tf.image.adjust_hue(x, hue)
    if config.saturation is not None:
        saturation = _between(config.saturation, draws[2])
        changes["saturation"] = lambda x: tf.image.adjust_saturation(x, saturation)
    if config.contrast is not None:
        contrast = _between(config.contrast, draws[3])
        changes["contrast"] = lambda x: tf.image.adjust_contrast(x, contrast)

    def in_order(names: Sequence[str]) -> Callable[[], tf.Tensor]:
        def changed() -> tf.Tensor:
            result = image
            for name in names:
                result = changes[name](result) if name in changes else result
            return result

        return changed

    return _one_of([in_order(names) for names in _COLOUR_ORDERS], order_seed)


def _one_of(branches: list[Callable[[], tf.Tensor]], seed: tf.Tensor) -> tf.Tensor:
    if len(branches) == 1:
        return branches[0]()
    number = tf.random.stateless_uniform(
        [], seed, 0, len(branches), tf.int32, alg="philox"
    )
    return tf.switch_case(number, branches)


def _between(limits: tuple[float, float], draw: tf.Tensor) -> tf.Tensor:
    return limits[0] + draw * (limits[1] - limits[0])
