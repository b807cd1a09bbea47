"""Which class makes the utterances of each kind of data, and what all of them have."""

from collections.abc import Callable
from typing import Any
from typing import Protocol

import numpy as np
import tensorflow as tf

from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.tying import Tying
from trainers.data.config import UtteranceData
from trainers.data.utterances.digits import SpokenDigitsSource
from trainers.data.utterances.recordings import SpokenDigitsFrontEnd
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
    """Numbered utterances of one split, number n by speaker n modulo their number."""

    lexicon: Lexicon
    bigram: np.ndarray
    """float32 [1 + V, V]: how likely word j + 1 is after word i; first, for i = 0."""
    feature_dim: int
    """Numbers that describe a frame, D."""
    max_words: int
    """Words of the longest utterance, W."""
    num_speakers: int
    size: int
    """How many utterances there are, a multiple of the number of speakers."""

    @property
    def tying(self) -> Tying | None:
        """What numbers the pdfs of alignments; None where these are not known."""

    def read(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """Makes a batch, in graph code that runs on any machine.

        Args:
          index: int64 [b], which utterances.

        Returns:
          ``features`` float32 [b, T, D], 0 after the end; ``lengths`` int32 [b], in
          frames; ``alignment`` int32 [b, T], the pdf that each frame is of, -1 after
          the end and where it is not known; ``words`` int32 [b, W], 0 after the last;
          ``speaker`` int32 [b]. T is the configured `max_frames`.
        """

    def open(self, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """See `FrontEnd.open`."""


_OPEN: dict[str, Callable[[Any, str], UtteranceSource]] = {
    "word_loop": WordLoopSource,
    "fsdd": SpokenDigitsSource,
}
_FRONT_ENDS: dict[str, Callable[[Any], FrontEnd]] = {
    "word_loop": lambda config: WordLoopSource(config, "test"),
    "fsdd": lambda config: SpokenDigitsFrontEnd(),
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


def open_front_end(config: UtteranceData) -> FrontEnd:
    """What makes the frames of an experiment's utterances.

    Args:
      config: the section `data`; its files need not be there.
    """
    return _FRONT_ENDS[config.plain()["kind"]](config)
