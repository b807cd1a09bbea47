"""Reads every example of a source, to find the bad ones before training does."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainers.data.images.sources import Source
from trainers.data.stream import untuned

_AT_ONCE = 64


class Unreadable(NamedTuple):
    """An example that cannot be used."""

    name: str
    """Where it is."""
    reason: str
    """What is wrong with it."""


class SourceReport(NamedTuple):
    """What is in a source."""

    counts: dict[str, int]
    """Readable examples by class name."""
    unreadable: list[Unreadable]
    """Everything else."""


def check_source(
    source: Source, num_channels: int, progress: Callable[[int], None]
) -> SourceReport:
    """Decodes every example.

    Args:
      source: what `open_source` returned.
      num_channels: channels of the model's input.
      progress: called with the number of examples read since the last call.
    """
    examples = tf.data.Dataset.range(source.size).map(
        lambda index: _summary(source, index, num_channels), tf.data.AUTOTUNE
    )
    counts = np.zeros(len(source.labels), int)
    unreadable = []
    batches = examples.batch(_AT_ONCE).with_options(untuned())
    for index, label, bad in batches.as_numpy_iterator():
        counts += np.bincount(label[~bad], minlength=len(counts))
        for number in map(int, index[bad]):
            reason = source.problem(number, num_channels)
            unreadable.append(Unreadable(source.name(number), reason))
        progress(len(index))
    by_name = zip(source.labels, counts.tolist(), strict=True)
    return SourceReport(dict(by_name), unreadable)


def _summary(
    source: Source, index: tf.Tensor, num_channels: int
) -> tuple[tf.Tensor, ...]:
    example = source.read(index, num_channels)
    return index, example["label"], example["bad"]
