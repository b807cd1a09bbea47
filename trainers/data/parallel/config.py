"""Configuration of sentences with translations, and of their vocabulary."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from trainers.data.config import Data


class Corpus(Config):
    """Sentences and their translations, one in each line, UTF-8."""

    source: str
    """File with sentences; compressed with gzip if its name ends in ``.gz``."""
    target: str | None = None
    """File with their translations in the same lines. When absent, `source` is a table:
    sentence, tab, translation; further columns are not read."""
    target_language: str | None = None
    """Language of the translations, such as ``de``, for a model that learns several:
    the token ``<2de>`` is then put before every sentence."""


class ParallelData(Data):
    """What every source of sentences and translations has.

    ``batch_size`` counts pairs. Texts are normalised to Unicode's NFC, else left as
    they are: neither case nor punctuation is touched.
    """

    vocabulary: str | None = None
    """File of the vocabulary. Where it is not there, it is learned from both sides of
    the training text and written there; when absent it is learned each time anew."""
    vocabulary_size: int = pydantic.Field(default=8000, ge=261)
    """Ids of a vocabulary that is learned, special ones and 256 bytes included."""
    segmentation: Literal["wordpieces", "mixed"] = "wordpieces"
    """Parts of words, or whole words and single characters for all other words."""
    criterion: Literal["count", "likelihood"] = "count"
    """What pieces are to have most of: occurrences, or likelihood of the text."""
    alphabet: int = pydantic.Field(default=500, ge=1)
    """Most frequent characters that are pieces; all others are spelled by bytes."""
    max_length: int = pydantic.Field(default=100, ge=2)
    """Most pieces of either side, end and language included. Longer pairs, and those
    with an empty side, are left out of training and counted; no evaluation leaves any
    out."""
    pool: int = pydantic.Field(default=20, ge=1)
    """Batches of training whose pairs are sorted by length together, so that a batch
    has little padding."""

    @property
    def max_bad_fraction(self) -> float:
        """Zero: sentences that have been opened can all be read."""
        return 0.0


class ParallelTextData(ParallelData):
    """Text files, in one or more corpora for each split."""

    kind: Literal["parallel_text"] = "parallel_text"
    train: tuple[Corpus, ...] = pydantic.Field(min_length=1)
    validation: tuple[Corpus, ...] | None = pydantic.Field(default=None, min_length=1)
    test: tuple[Corpus, ...] | None = pydantic.Field(default=None, min_length=1)
    sampling_exponent: float = pydantic.Field(default=1.0, ge=0, le=1)
    """An epoch has pairs of a corpus in proportion to its size to this power: 1 has
    each pair once, 0 as many of small corpora as of large ones."""
    cache: str | None = None
    """Folder for segmented sentences, which are then read from there and not held in
    memory; workers must see it at the same place."""

    @pydantic.model_validator(mode="after")
    def _languages_of_all(self) -> Self:
        languages = [corpus.target_language for corpus in self.train]
        if None in languages and any(languages):
            raise ValueError(
                "some corpora say their language and some do not. Expected"
                " target_language in all of data.train or in none. Received"
                f" {languages}."
            )
        return self


class NumberWordsData(ParallelData):
    """Numbers in English words and in German ones; nothing is downloaded.

    Every seed of a run learns from the same numbers, in another order; the test numbers
    are others.
    """

    kind: Literal["number_words"] = "number_words"
    vocabulary_size: int = pydantic.Field(default=400, ge=261)
    """Ids of the vocabulary, special ones and 256 bytes included."""
    numbers: int = pydantic.Field(default=100_000, ge=2, le=1_000_000)
    """Numbers are drawn from 0 to one less than this."""
    train_examples: int = pydantic.Field(default=8000, ge=1)
    test_examples: int = pydantic.Field(default=1000, ge=1)

    def held_out_splits(self) -> tuple[str, ...]:
        """The test split, there always."""
        return ("test",)

    @pydantic.model_validator(mode="after")
    def _enough_numbers(self) -> Self:
        wanted = self.train_examples + self.test_examples
        if wanted > self.numbers:
            raise ValueError(
                "there are fewer numbers than examples. Expected data.train_examples"
                f" and data.test_examples of at most {self.numbers} together, which is"
                f" data.numbers. Received {wanted}."
            )
        return self
