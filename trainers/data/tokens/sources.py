"""Which class makes the sequences of each kind of data, and what all of them can do."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol

import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.data.config import TokenData
from trainers.data.speech.config import SpeechData
from trainers.data.speech.transcripts import open_transcripts
from trainers.data.tokens.sorting import SortingSource
from trainers.data.tokens.stories import Pieces
from trainers.data.tokens.stories import open_pieces
from trainers.data.tokens.stories import open_stories
from trainers.data.tokens.text import Bytes
from trainers.data.tokens.text import open_text


class Notation(Protocol):
    """What a kind of data's tokens mean to a person; needs no file of the data."""

    def prompt(self, text: str) -> tuple[list[int], int]:
        """What a user wrote, as a sequence to go on with.

        Returns:
          At least one token, and how many the answer has; both together are at most
          ``length + 1``.

        Raises:
          DataError: the text cannot be made into tokens.
        """

    def show(self, tokens: Sequence[int]) -> str:
        """Tokens as text."""


class TokenSource(Notation, Protocol):
    """Numbered sequences of one split, each of `length` tokens and as many labels."""

    vocabulary_size: int
    """Tokens that there are, numbered from 0."""
    ordinary_tokens: range
    """Those that are no special symbols."""
    length: int
    """Tokens of a sequence, T."""

    @property
    def size(self) -> int:
        """How many sequences there are."""

    def read(self, index: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Makes a batch, in graph code that runs on any machine.

        Args:
          index: int64 [b], which sequences.
          seed: int64 [b, 2], for all that is random about each.

        Returns:
          ``tokens`` and ``label``, the token after each, int32 [b, T]; ``weight``
          float32 [b, T], 0 for labels that are not to be predicted. In texts also
          ``character`` float32 [b, T], 1 for labels that begin a character.
        """


_OPEN: dict[str, Callable[[Any, str, int], TokenSource]] = {
    "sorting": SortingSource,
    "stories": open_stories,
    "text": open_text,
}
"""Of data without varieties."""

_NOTATION: dict[str, Callable[[Any, int], Notation]] = {
    "sorting": lambda config, length: SortingSource(config, "train", length),
    "stories": lambda config, length: Pieces(open_pieces(config.tokenizer), length),
    "text": lambda config, length: Bytes(length),
}


def open_notation(config: TokenData | SpeechData, length: int) -> Notation:
    """How an experiment's tokens are read and written.

    Args:
      config: the section `data`.
      length: tokens that the model takes.

    Raises:
      ConfigError: the tokens are those of transcripts, whose table is with the data.
    """
    if isinstance(config, SpeechData):
        raise ConfigError(
            "a language model of transcripts does not leave alone. Expected a"
            " recogniser that names it in task.language_models, which holds it when it"
            f" is exported. Received data.kind: {config.plain()['kind']}."
        )
    return _NOTATION[config.plain()["kind"]](config, length)


def open_tokens(
    config: TokenData | SpeechData,
    split: str,
    length: int,
    varieties: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
) -> TokenSource:
    """Opens one split of an experiment's sequences.

    Args:
      config: the section `data`; of speech, the transcripts count.
      split: "train" or one of the configured others.
      length: tokens that the model takes, for data that can be cut to any length.
      varieties: dialects or languages whose transcripts count; all when there are none.
      texts: see `open_transcripts`.

    Raises:
      ConfigError: there is nothing of these varieties.
      DataError: a file is missing or too short.
    """
    if isinstance(config, SpeechData):
        return open_transcripts(config, split, length, varieties, texts)
    kind = config.plain()["kind"]
    if varieties or texts:
        raise ConfigError(
            "the data have no dialects or languages. Expected data of speech, or"
            f" neither task.varieties nor task.texts. Received data.kind: {kind} with"
            f" those of {', '.join([*varieties, *(texts or {})])}."
        )
    return _OPEN[kind](config, split, length)
