"""All splits of an experiment's sentences and translations, with one vocabulary."""

import functools
import logging
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol
from unicodedata import normalize

import numpy as np

from tfmodels.errors import DataError
from tfmodels.text.segmentation import Segmenter
from tfmodels.text.vocabulary import END
from trainers.data.parallel.arrays import Cache
from trainers.data.parallel.arrays import Counts
from trainers.data.parallel.arrays import Side
from trainers.data.parallel.arrays import Writer
from trainers.data.parallel.config import ParallelData
from trainers.data.parallel.files import FileCorpus
from trainers.data.parallel.files import Report
from trainers.data.parallel.files import fail
from trainers.data.parallel.number_words import NumberWords
from trainers.data.parallel.vocabularies import open_vocabulary

_LOG = logging.getLogger(__name__)


class Pairs(Protocol):
    """Sentences with translations into one language."""

    language: str | None
    """Of the translations, where models are to be told."""

    @property
    def identity(self) -> list[object]:
        """JSON-like data that change when the pairs do."""

    def pairs(self, report: Report = fail) -> Iterator[tuple[str, str]]:
        """Sentences and translations as they are written, without line ends.

        Args:
          report: takes what is wrong with a line; by default that is raised.
        """


@dataclass(frozen=True)
class Examples:
    """The segmented pairs of a split."""

    counts: Counts
    source: Side
    """Sentences: the language's token if there are such, pieces, end."""
    target: Side
    """Translations: pieces, end."""

    @property
    def size(self) -> int:
        """Pairs of all corpora."""
        return sum(self.counts.sizes)


class ParallelSource:
    """What `open_parallel` returns."""

    def __init__(
        self,
        config: ParallelData,
        splits: Mapping[str, Sequence[Pairs]],
        write: bool = True,
    ) -> None:
        """Opens the vocabulary; sentences are segmented when they are asked for.

        Args:
          config: the section `data`.
          splits: the texts of each split.
          write: whether a vocabulary that is learned is written to its file.
        """
        self._config = config
        self._splits = splits
        named = {corpus.language for corpus in splits["train"]}
        languages = tuple(sorted(filter(None, named)))
        training = (pair for corpus in splits["train"] for pair in corpus.pairs())
        self.vocabulary = open_vocabulary(config, languages, training, write)
        self._segmenter = Segmenter(self.vocabulary)
        self.examples = functools.cache(self._examples)

    @property
    def size(self) -> int:
        """Pairs of a training epoch."""
        return self.examples("train").size

    @property
    def quotas(self) -> np.ndarray:
        """Pairs of each training corpus in an epoch, int64 [corpora]; see the config's
        `sampling_exponent`."""
        sizes = np.array(self.examples("train").counts.sizes, np.float64)
        exponent = self._config.plain().get("sampling_exponent", 1.0)
        weights = np.where(sizes > 0, sizes**exponent, 0)
        bounds = np.cumsum(weights) / np.sum(weights) * np.sum(sizes)
        return np.diff(np.rint(bounds), prepend=0).astype(np.int64)

    def encode(self, text: str, language: str | None = None) -> list[int]:
        """A sentence as a model takes it: language, pieces, end.

        Args:
          text: the sentence.
          language: what it is to be translated into, where a model knows several.

        Raises:
          DataError: the vocabulary has no such language.
        """
        known = self.vocabulary.languages
        if language is None and len(known) == 1:
            language = known[0]
        return self._encoded(text, language)

    def encode_target(self, text: str) -> list[int]:
        """A translation as a model is taught it: pieces, end."""
        return self._pieces(text)

    def _encoded(self, text: str, language: str | None) -> list[int]:
        asked = []
        if language is not None or self.vocabulary.languages:
            asked = [self.vocabulary.language_id(language)]
        return [*asked, *self._pieces(text)]

    def _pieces(self, text: str) -> list[int]:
        return [*self._segmenter.encode(normalize("NFC", text)), END]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, up to the first end."""
        return self._segmenter.decode(map(int, ids))

    def references(self, split: str) -> list[str]:
        """Translations of a split as they are written, in their order."""
        return [target for _, target in self._read(split)]

    def sentences(self, split: str) -> list[str]:
        """Sentences of a split as they are written, in their order."""
        return [source for source, _ in self._read(split)]

    def _read(self, split: str) -> Iterator[tuple[str, str]]:
        return (pair for corpus in self._splits[split] for pair in corpus.pairs())

    def segmented(self, split: str) -> Iterator[tuple[int, bool, list[int], list[int]]]:
        """Pairs of a split in their order, none left out.

        Returns:
          The corpus's number, whether a side is empty, ids of the sentence and of its
          translation.
        """
        for number, corpus in enumerate(self._splits[split]):
            for source, target in corpus.pairs():
                is_empty = not source.strip() or not target.strip()
                ids = self._encoded(source, corpus.language)
                yield number, is_empty, ids, self._pieces(target)

    def _examples(self, split: str) -> Examples:
        """Segments a split, or finds it done; says what is left out."""
        most = self._config.max_length if split == "train" else None
        folder = self._config.plain().get("cache")
        if folder is None:
            counts, (first, second) = self._segment(split, most)
            found = counts, Side(*first.arrays()), Side(*second.arrays())
        else:
            corpora = [corpus.identity for corpus in self._splits[split]]
            cache = Cache(folder, split, [self.vocabulary.hash, most, corpora])
            found = cache.read() or cache.write(*self._segment(split, most))
        examples = Examples(*found)
        counts = examples.counts
        if counts.empty or counts.long:
            _LOG.warning(
                "Of the split %s, %d pairs with an empty side and %d pairs of more than"
                " %d pieces are left out; %d pairs stay.",
                *(split, counts.empty, counts.long, most, examples.size),
            )
        return examples

    def _segment(self, split: str, most: int | None) -> tuple[Counts, list[Writer]]:
        """Ids of all pairs, or of those that have at most so many on either side."""
        sides = [Writer(self.vocabulary.size), Writer(self.vocabulary.size)]
        sizes = [0] * len(self._splits[split])
        empty, long = 0, 0
        for number, is_empty, *pair in self.segmented(split):
            if most is not None and is_empty:
                empty += 1
            elif most is not None and max(map(len, pair)) > most:
                long += 1
            else:
                sizes[number] += 1
                for side, ids in zip(sides, pair, strict=True):
                    side.add(ids)
        if not sum(sizes):
            raise DataError(
                f"no pair of the split {split} is left. Expected pairs with two sides"
                f" of at most {most} pieces. Received {empty:,} with an empty side and"
                f" {long:,} that are longer; correct data.{split} or raise"
                " data.max_length."
            )
        return Counts(tuple(sizes), empty, long), sides


def _open_files(config: Any) -> dict[str, list[Pairs]]:
    return {
        split: [
            FileCorpus(corpus, f"data.{split}[{number}]")
            for number, corpus in enumerate(getattr(config, split))
        ]
        for split in ("train", *config.held_out_splits())
    }


def _open_numbers(config: Any) -> dict[str, list[Pairs]]:
    return {split: [NumberWords(config, split)] for split in ("train", "test")}


_OPEN: dict[str, Callable[[Any], dict[str, list[Pairs]]]] = {
    "number_words": _open_numbers,
    "parallel_text": _open_files,
}


def open_pairs(config: ParallelData) -> dict[str, list[Pairs]]:
    """The texts of every split, which are not read yet."""
    return _OPEN[config.plain()["kind"]](config)


def open_parallel(config: ParallelData) -> ParallelSource:
    """Opens all splits of an experiment's sentences and translations.

    Args:
      config: the section `data`; one of the kinds that extend `ParallelData`.

    Raises:
      ConfigError: the vocabulary's size has no room for the characters.
      DataError: a file is missing, damaged, not UTF-8 or not aligned with another; a
        vocabulary is of other data.
    """
    return ParallelSource(config, open_pairs(config))
