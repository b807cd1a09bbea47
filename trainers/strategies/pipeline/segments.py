"""Runs of items inside a stage: those that are computed again, and the others."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from tfmodels.errors import ConfigError
from trainers.strategies.pipeline.sequence import LayerSequence


class Segment(NamedTuple):
    """Items that stay together, whatever task their stage does."""

    begin: int
    """Index of its first item."""
    end: int
    """Index after its last item."""
    kept: bool
    """Its results are kept where others are computed again."""


def kept_items(sequence: LayerSequence, patterns: Sequence[str]) -> tuple[bool, ...]:
    """Which items' results are kept although their stage is computed again.

    Args:
      sequence: the items.
      patterns: regular expressions of their whole names.

    Raises:
      ConfigError: a pattern names no item.
    """
    names = [item.name for item in sequence.items]
    for pattern in patterns:
        if not any(re.fullmatch(pattern, name) for name in names):
            raise ConfigError(
                f"strategy.keep: {pattern!r} is not the name of an item. Expected a"
                f" regular expression of some of {', '.join(names)}."
            )
    return tuple(
        any(re.fullmatch(pattern, name) for pattern in patterns) for name in names
    )


def segments(kept: Sequence[bool], begin: int, end: int) -> tuple[Segment, ...]:
    """Cuts the items `begin` to `end - 1`, a stage, where `kept` changes."""
    found = []
    for keep, run in groupby(kept[begin:end]):
        size = len(list(run))
        found.append(Segment(begin, begin + size, keep))
        begin += size
    return tuple(found)
