"""Batches of images, from any source, for one replica at a time."""

import tensorflow as tf

from trainers.data.config import ImageData
from trainers.data.config import InceptionAugmentation
from trainers.data.config import NoAugmentation
from trainers.data.config import ShiftAugmentation
from trainers.data.images.augmentation import check_channels
from trainers.data.images.augmentation import inception
from trainers.data.images.augmentation import shift
from trainers.data.images.resizing import fit
from trainers.data.images.sources import Source
from trainers.data.images.views import views
from trainers.data.stream import Stream
from trainers.interfaces import Shard

_SINGLE = Shard()


def image_dataset(
    source: Source,
    config: ImageData,
    split: str,
    input_shape: tuple[int, int, int],
    seed: int = 0,
    shard: Shard = _SINGLE,
    start: int = 0,
    crops: int = 1,
) -> tf.data.Dataset:
    """Batches of one replica each, deterministic and all of one static shape.

    ``image`` float32 [b, H, W, C] in 0 to 255, ``label`` int32 [b], ``weight`` float32
    [b], ``bad`` float32 [b], ``index`` int64 [b], where b is the global batch size over
    the replicas. A row has weight 0 when it only fills up a batch, or when its example
    is bad: that image is black and its label arbitrary.

    Args:
      source: what `open_source` returned.
      config: batches and augmentation.
      split: "train" gives endless augmented batches; any other name one pass in order,
        without augmentation.
      input_shape: height, width and channels of the model's input.
      seed: origin of the order and the augmentation.
      shard: the share of every global batch that is wanted.
      start: first step, for "train".
      crops: views of each image of other splits, see `views`; if there are several,
        ``image`` is float32 [b, crops, H, W, C].

    Raises:
      ConfigError: the batch size or the augmentation does not suit.
    """
    training = split == "train"
    stream = Stream(
        source.size, config.batch_size, config.last_batch, config.shuffle, seed
    )
    records = stream.endless(shard, start) if training else stream.single_pass(shard)
    augmentation = config.augmentation if training else NoAugmentation()
    num_views = 1 if training else crops
    batches = _read(records, source, config, augmentation, input_shape, num_views)
    options = tf.data.Options()
    options.deterministic = True
    off = tf.data.experimental.AutoShardPolicy.OFF
    options.experimental_distribute.auto_shard_policy = off
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _read(
    records: tf.data.Dataset,
    source: Source,
    config: ImageData,
    augmentation: NoAugmentation | ShiftAugmentation | InceptionAugmentation,
    input_shape: tuple[int, int, int],
    num_views: int,
) -> tf.data.Dataset:
    """Reads the records' examples: whole batches at once where that is possible."""
    num_channels = input_shape[-1]
    if isinstance(augmentation, InceptionAugmentation):
        check_channels(augmentation, num_channels)

    def read(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        example = source.read(record["index"], num_channels)
        image = example["image"]
        if isinstance(augmentation, InceptionAugmentation):
            image = inception(image, record["seed"], augmentation, input_shape)
        elif num_views > 1:
            image = views(image, input_shape, num_views)
        else:
            image = fit(image, input_shape, config.crop_fraction)
        return {**record, **example, "image": image}

    def finish(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        image = batch["image"]
        if isinstance(augmentation, ShiftAugmentation):
            image = shift(image, batch["seed"], augmentation.pixels)
        valid, bad, rank = batch["valid"], batch["bad"], image.shape.rank
        return {
            "image": tf.where(tf.reshape(bad, [-1] + [1] * (rank - 1)), 0.0, image),
            "label": batch["label"],
            "weight": tf.cast(valid & ~bad, tf.float32),
            "bad": tf.cast(valid & bad, tf.float32),
            "index": batch["index"],
        }

    alone = isinstance(augmentation, InceptionAugmentation) or num_views > 1
    if source.in_batches and not alone:
        return records.map(lambda record: finish(read(record)))
    rows = records.element_spec["index"].shape[0]
    examples = records.unbatch().map(read, tf.data.AUTOTUNE, deterministic=True)
    return examples.batch(rows, drop_remainder=True).map(finish)
