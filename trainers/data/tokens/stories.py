"""Text files of short texts as pieces, in windows that begin with a text's start."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfmodels.errors import DataError
from tfmodels.text.sentence_pieces import SentencePieces
from tfmodels.text.sentence_pieces import read_model
from trainers.data.config import StoriesData


class Pieces:
    """Pieces of a vocabulary as tokens."""

    def __init__(self, pieces: SentencePieces, length: int) -> None:
        """Takes the vocabulary and the number of pieces that a model sees."""
        self.pieces = pieces
        self.length = length

    def prompt(self, text: str) -> tuple[list[int], int]:
        """The start, and the last pieces of a text, at most half of what is seen."""
        kept = self.pieces.encode(text)[-(self.length // 2) :]
        return [self.pieces.start, *kept], self.length - len(kept)

    def show(self, tokens: Sequence[int]) -> str:
        """The text up to the start of another one."""
        numbers = [int(token) for token in tokens]
        if numbers[:1] == [self.pieces.start]:
            numbers = numbers[1:]
        if self.pieces.start in numbers:
            numbers = numbers[: numbers.index(self.pieces.start)]
        return self.pieces.decode(numbers)


class StoriesSource(Pieces):
    """Windows of single texts; every piece but the starts is predicted once."""

    def __init__(self, texts: Sequence[str], pieces: SentencePieces, length: int):
        """Takes whole texts."""
        super().__init__(pieces, length)
        self.vocabulary_size = len(pieces.pieces)
        self.ordinary_tokens = range(self.vocabulary_size)
        rows, counts = [], []
        for text in texts:
            numbers = [pieces.start, *pieces.encode(text)]
            for place in range(0, len(numbers) - 1, length):
                row = numbers[place : place + length + 1]
                counts.append(len(row) - 1)
                rows.append(row + [0] * (length + 1 - len(row)))
        self.size = len(rows)
        with tf.device("/CPU:0"):  # Input pipelines run there.
            self._rows = tf.constant(np.array(rows, np.int32))
            self._counts = tf.constant(np.array(counts, np.int32))

    def read(self, index: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `TokenSource.read`; weight 0 after the end of a text."""
        window = tf.gather(self._rows, index)
        there = tf.range(self.length) < tf.gather(self._counts, index)[:, None]
        return {
            "tokens": window[:, :-1],
            "label": window[:, 1:],
            "weight": tf.cast(there, tf.float32),
        }


def open_stories(config: StoriesData, split: str, length: int) -> StoriesSource:
    """Reads the file of one split.

    Raises:
      DataError: it or the tokenizer is missing, or it holds no text.
    """
    path = Path(getattr(config, split))
    content = _read(path, split, "a UTF-8 file").decode("utf-8", "replace")
    texts = [text.strip() for text in content.split(config.separator)]
    texts = [text for text in texts if text]
    if not texts:
        raise DataError(
            f"{path} holds no text. Expected texts with {config.separator} between"
            f" them. Received {len(content)} characters; correct data.{split}."
        )
    return StoriesSource(texts, open_pieces(config.tokenizer), length)


def open_pieces(path: str) -> SentencePieces:
    """Reads a tokenizer.

    Raises:
      DataError: it is missing or damaged.
    """
    content = _read(Path(path), "tokenizer", "a tokenizer")
    if not path.endswith(".json"):
        return read_model(content)
    try:
        return SentencePieces.from_plain(json.loads(content))
    except ValueError as error:
        raise DataError(
            f"{path} is no table of pieces. Expected JSON. Received {error}; correct"
            " data.tokenizer."
        ) from None


def _read(path: Path, key: str, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}. Expected {what}; correct"
            f" data.{key}."
        ) from None
