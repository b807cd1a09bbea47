"""Which class makes the utterances of each kind of data, and what all of them have."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import Protocol

import tensorflow as tf

from tfmodels.lattices.language_model import BackoffModel
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.tying import Tying
from trainers.data.config import UtteranceData
from trainers.data.config import WordLoopData
from trainers.data.utterances import sound
from trainers.data.utterances.digits import SpokenDigitsSource
from trainers.data.utterances.records import RecordedSource
from trainers.data.utterances.word_loop import WordLoopSource


class FrontEnd(Protocol):
    """What makes frames of something that a user names, without the data set."""

    def open(self, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads what a user names: a recording's file, or what else there is.

        Returns:
          Features, float32 [1, T, D], and their number of frames, int32 [1].

        Raises:
          DataError: there is no such thing.
        """

    def describe(self) -> dict[str, Any]:
        """How frames are made, for programs that must make the same."""


class UtteranceSource(Protocol):
    """Numbered utterances of one split, number n by speaker n modulo their number.

    For ``speaker`` read ``group of speakers`` where these say more or less.
    """

    lexicon: Lexicon
    grammar: BackoffModel
    """Which words follow one another."""
    feature_dim: int
    """Numbers that describe a frame, D."""
    max_words: int
    """Words of the longest utterance, W."""
    num_speakers: int
    size: int
    """How many utterances there are, a multiple of the number of speakers."""

    @property
    def tying(self) -> Tying | None:
        """States that the data come with: those of their alignments and lattices, or a
        decision tree's; None where there are none."""

    @property
    def is_aligned(self) -> bool:
        """Whether it is known which state each frame is of."""

    @property
    def front_end(self) -> FrontEnd:
        """What frames are made with."""

    @property
    def stored(self) -> tuple[str, ...]:
        """What else batches have of each utterance, of the names in
        `trainers.data.utterances.stored`."""

    def read(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """Makes a batch, in graph code that runs on any machine.

        Args:
          index: int64 [b], which utterances.

        Returns:
          ``features`` float32 [b, T, D], 0 after the end; ``lengths`` int32 [b], in
          frames; ``alignment`` int32 [b, T], the pdf that each frame is of, -1 after
          the end and where it is not known; ``words`` int32 [b, W], 0 after the last;
          ``speaker`` int32 [b]. T is the same for all. Where some speakers say less
          than others, ``exists`` bool [b], False in numbers that are no utterance.
        """

    def name(self, index: int) -> str:
        """What people call an utterance."""


_OPEN: dict[str, Callable[[Any, str], UtteranceSource]] = {
    "word_loop": WordLoopSource,
    "fsdd": SpokenDigitsSource,
    "utterance_records": RecordedSource,
}
_FRONT_ENDS: dict[str, Callable[[Any], FrontEnd]] = {
    "word_loop": lambda found: WordLoopSource(WordLoopData.parse(found), "test"),
    "log_mel": sound.FrontEnd.from_description,
}


def open_utterances(config: UtteranceData, split: str) -> UtteranceSource:
    """Opens one split of an experiment's utterances.

    Args:
      config: the section `data`; one of the kinds that extend `UtteranceData`.
      split: "train" or "test".

    Raises:
      ConfigError: the utterances cannot be shared equally by the speakers.
      DataError: a file is missing or damaged.
    """
    return _OPEN[config.plain()["kind"]](config, split)


def open_front_end(description: Mapping[str, Any]) -> FrontEnd:
    """What makes frames as `FrontEnd.describe` says; no data set need be there."""
    return _FRONT_ENDS[description["kind"]](description)
