"""From the bytes of an image file to pixels, and what happens when that fails."""

import abc
import os

import tensorflow as tf

from tfmodels.errors import DataError
from trainers.data.images.resizing import fit
from trainers.files import describe


def decode(encoded: tf.Tensor, num_channels: int) -> tf.Tensor:
    """Decodes JPEG, PNG, BMP, WebP or a GIF's first frame, told apart by their content.

    CMYK becomes RGB; gray and colour become each other as `num_channels` asks. A
    truncated file is an error, not a picture with a gray end.

    Args:
      encoded: string [], the file's bytes.
      num_channels: 1 or 3.

    Returns:
      uint8 [h, w, num_channels], 0 to 255.
    """

    def jpeg() -> tf.Tensor:
        # The default is as slow and off by up to 18 of 255; this is libjpeg's own.
        return tf.io.decode_jpeg(encoded, 3, dct_method="INTEGER_ACCURATE")

    def other() -> tf.Tensor:
        return tf.io.decode_image(encoded, 3, expand_animations=False)

    image = tf.cond(tf.io.is_jpeg(encoded), jpeg, other)
    image.set_shape([None, None, 3])
    # Decoding to gray is not there for CMYK, BMP and GIF; gray survives this exactly.
    return image if num_channels == 3 else tf.image.rgb_to_grayscale(image)


class EncodedSource(abc.ABC):
    """Labelled images in files, read and decoded when they are needed."""

    in_batches = False

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Takes the class names in the order of the class numbers."""
        self.labels = labels

    @abc.abstractmethod
    def element(self, index: tf.Tensor) -> tf.data.Dataset:
        """A data set of one element, the example's bytes and class number.

        Args:
          index: int64 [].

        Returns:
          (string [], int32 []); iterating over it fails when the example is unreadable.
        """

    @abc.abstractmethod
    def name(self, index: int) -> str:
        """See `Source.name`."""

    def read(self, index: tf.Tensor, num_channels: int) -> dict[str, tf.Tensor]:
        """See `Source.read`."""
        # `ignore_errors` on the whole pipeline would also lose the neighbours of a bad
        # example; here it sees no others.
        black = tf.zeros([1, 1, num_channels], tf.uint8)
        fallback = tf.data.Dataset.from_tensors((black, tf.constant(0), True))
        readable = self._decoded(index, num_channels).ignore_errors()
        first = readable.concatenate(fallback).take(1)
        image, label, bad = first.get_single_element()
        return {"image": image, "label": label, "bad": bad}

    def problem(self, index: int, num_channels: int) -> str:
        """See `Source.problem`."""
        try:
            self._decoded(
                tf.constant(index, tf.int64), num_channels
            ).get_single_element()
        except tf.errors.OpError as error:
            return describe(error)
        return ""

    def _decoded(self, index: tf.Tensor, num_channels: int) -> tf.data.Dataset:
        return self.element(index).map(
            lambda encoded, label: (decode(encoded, num_channels), label, False)
        )


def decode_file(
    source: str | os.PathLike[str] | bytes,
    input_shape: tuple[int, int, int],
    crop_fraction: float = 1.0,
) -> tf.Tensor:
    """Reads an image as evaluation does.

    Args:
      source: path of an image file, or its bytes.
      input_shape: height, width and channels of the model's input.
      crop_fraction: see `ImageData.crop_fraction`.

    Returns:
      float32 [H, W, C], 0 to 255.

    Raises:
      DataError: the file is missing or is not an intact image.
    """
    return fit(read_image(source, input_shape[-1]), input_shape, crop_fraction)


def read_image(source: str | os.PathLike[str] | bytes, num_channels: int) -> tf.Tensor:
    """Reads a whole image.

    Args:
      source: path of an image file, or its bytes.
      num_channels: 1 or 3.

    Returns:
      uint8 [h, w, num_channels].

    Raises:
      DataError: the file is missing or is not an intact image.
    """
    name = "the given bytes" if isinstance(source, bytes) else os.fspath(source)
    try:
        encoded = source if isinstance(source, bytes) else tf.io.read_file(name)
        return decode(encoded, num_channels)
    except tf.errors.OpError as error:
        raise DataError(
            f"cannot read the image {name}. Expected an intact JPEG, PNG, BMP, GIF or"
            f" WebP file. Received: {describe(error)}."
        ) from None
