"""Batches of images with boxes, for one replica at a time."""

import tensorflow as tf

from trainers.data.detection.canvases import BoxedImages
from trainers.data.detection.config import DetectionData
from trainers.data.stream import Stream
from trainers.interfaces import Batch
from trainers.interfaces import Shard


def detection_dataset(
    examples: BoxedImages,
    config: DetectionData,
    split: str,
    input_shape: tuple[int, int, int],
    seed: int,
    shard: Shard,
    start: int,
) -> tf.data.Dataset:
    """Batches of one replica each, deterministic and all of one static shape.

    ``image`` float32 [b, H, W, C] in 0 to 255, ``boxes`` float32 [b, M, 4], ``labels``
    int32 [b, M], -1 for no object, ``weight`` float32 [b], 0 for rows that only fill up
    a batch, ``index`` int64 [b].

    Args:
      examples: the split.
      config: how batches are made.
      split: "train" never ends; any other name is one pass in order.
      input_shape: height, width and channels of the model's input.
      seed: origin of the order.
      shard: the share of every global batch that is wanted.
      start: first step, for "train".

    Raises:
      ConfigError: the batch size does not suit.
    """
    stream = Stream(
        len(examples.images), config.batch_size, config.last_batch, config.shuffle, seed
    )
    training = split == "train"
    records = stream.endless(shard, start) if training else stream.single_pass(shard)
    # Input pipelines run on the host: constants must not start on an accelerator.
    with tf.device("/CPU:0"):
        held = BoxedImages(*(tf.constant(values) for values in examples))

    def read(record: dict[str, tf.Tensor]) -> Batch:
        images, boxes, labels = (tf.gather(v, record["index"]) for v in held)
        return {
            "image": whole(images, input_shape),
            "boxes": boxes,
            "labels": labels,
            "weight": tf.cast(record["valid"], tf.float32),
            "index": record["index"],
        }

    batches = records.map(read, tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE)


def whole(images: tf.Tensor, input_shape: tuple[int, int, int]) -> tf.Tensor:
    """Resizes whole images, also to another shape: shares of their sides stay the same.

    Args:
      images: uint8 [..., h, w, 1 or 3], rank 3 or 4.
      input_shape: height, width and channels.

    Returns:
      float32 [..., H, W, C].
    """
    if images.shape[-1] != input_shape[-1]:
        to_colour = input_shape[-1] == 3
        change = tf.image.grayscale_to_rgb if to_colour else tf.image.rgb_to_grayscale
        images = change(images)
    return tf.image.resize(tf.cast(images, tf.float32), input_shape[:2])
