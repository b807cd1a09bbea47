"""Reads every pair of every split, to find the bad ones before training does."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tfmodels.text.vocabulary import BYTES
from trainers.data.parallel.config import ParallelData
from trainers.data.parallel.files import Report
from trainers.data.parallel.files import fail
from trainers.data.parallel.sources import Pairs
from trainers.data.parallel.sources import ParallelSource
from trainers.data.parallel.sources import open_pairs


class Lengths(NamedTuple):
    """How many pieces sentences have."""

    mean: float
    median: int
    most_but_5_percent: int
    """95 of 100 sentences have at most so many."""
    longest: int


class SplitReport(NamedTuple):
    """What is in a split; lines with problems are not counted."""

    pairs: int
    source: Lengths
    target: Lengths
    empty: int
    """Pairs with an empty side; training leaves them out."""
    long: int
    """Pairs of more than `max_length` pieces; training leaves them out."""
    spelled: float
    """Share of pieces that are bytes of characters outside the alphabet."""
    problems: list[str]
    """What keeps the split from being used, as sentences."""


class _Tolerant:
    """Pairs of a corpus, whose problems are collected."""

    def __init__(self, pairs: Pairs) -> None:
        self.language = pairs.language
        self.identity = pairs.identity
        # In order, and once though texts are read twice.
        self.problems: dict[str, None] = {}
        self._pairs = pairs

    def pairs(self, report: Report = fail) -> Iterator[tuple[str, str]]:
        """Pairs without problems; nobody is told of others before the end."""
        yield from self._pairs.pairs(self.problems.setdefault)


def check_parallel(
    config: ParallelData, progress: Callable[[str, int], None]
) -> dict[str, SplitReport]:
    """Reads and segments all splits.

    The vocabulary is that of the file, if it is there; one that is learned is not
    written.

    Args:
      config: the section `data`.
      progress: called with a split and the number of pairs read since the last call.

    Raises:
      ConfigError: the vocabulary's size has no room for the characters.
      DataError: a file cannot be read at all, or the vocabulary is of other data.
    """
    corpora = {
        split: [_Tolerant(pairs) for pairs in found]
        for split, found in open_pairs(config).items()
    }
    source = ParallelSource(config, corpora, write=False)
    return {
        split: _report(source, config, split, found, progress)
        for split, found in corpora.items()
    }


def _report(
    source: ParallelSource,
    config: ParallelData,
    split: str,
    corpora: list[_Tolerant],
    progress: Callable[[str, int], None],
) -> SplitReport:
    first = source.vocabulary.first_byte
    lengths: list[tuple[int, int]] = []
    empty, spelled = 0, 0
    for _, is_empty, *pair in source.segmented(split):
        empty += is_empty
        lengths.append((len(pair[0]), len(pair[1])))
        spelled += sum(first <= i < first + BYTES for ids in pair for i in ids)
        progress(split, 1)
    table = np.array(lengths or [(0, 0)])
    return SplitReport(
        len(lengths),
        _lengths(table[:, 0]),
        _lengths(table[:, 1]),
        empty,
        int(np.sum(table.max(axis=1) > config.max_length)),
        float(spelled / max(table.sum(), 1)),
        [problem for corpus in corpora for problem in corpus.problems],
    )


def _lengths(lengths: np.ndarray) -> Lengths:
    median, most = np.percentile(lengths, [50, 95], method="higher").tolist()
    return Lengths(float(lengths.mean()), median, most, int(lengths.max()))
