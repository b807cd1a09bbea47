"""Which class reads each kind of image data, and what all of them can do."""

from collections.abc import Callable
from typing import Any
from typing import Protocol

import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.data.config import ImageData
from trainers.data.images.arrays import open_digits
from trainers.data.images.catalogue import open_prepared
from trainers.data.images.files import open_folder
from trainers.data.images.files import open_manifest
from trainers.data.images.records import open_records


class Source(Protocol):
    """Numbered labelled images of one split."""

    labels: tuple[str, ...]
    """Class names, in the order of the class numbers."""
    in_batches: bool
    """Whether `read` also takes many indices at once."""

    @property
    def size(self) -> int:
        """How many examples there are, readable or not."""

    def read(self, index: tf.Tensor, num_channels: int) -> dict[str, tf.Tensor]:
        """Reads one example, in graph code that runs on any machine.

        Args:
          index: int64 []; int64 [b] too if `in_batches`.
          num_channels: 1 for gray, 3 for red, green, blue.

        Returns:
          ``image`` uint8 [h, w, C], ``label`` int32 [] and ``bad`` bool []; an example
          that cannot be read is bad, and black.
        """

    def problem(self, index: int, num_channels: int) -> str:
        """Why an example is bad."""

    def name(self, index: int) -> str:
        """Where an example comes from, for people."""


_OPEN: dict[str, Callable[[Any, str], Source]] = {
    "digits": open_digits,
    "image_folder": open_folder,
    "manifest": open_manifest,
    "image_records": open_records,
    "tensorflow_datasets": open_prepared,
}


def open_source(config: ImageData, split: str) -> Source:
    """Opens one split of an experiment's image data.

    Args:
      config: the section `data`; one of the kinds that extend `ImageData`.
      split: "train", "validation" or "test".

    Raises:
      ConfigError: the split is not configured.
      DataError: files are missing, empty, or labelled with something unknown.
    """
    splits = ("train", *config.held_out_splits())
    if split not in splits:
        raise ConfigError(
            f"the data have no {split} split. Expected one that the section data sets:"
            f" {', '.join(splits)}. Received {split!r}."
        )
    return _OPEN[config.plain()["kind"]](config, split)
