"""Text files as sequences of bytes, in windows of the model's length."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfmodels.errors import DataError
from trainers.data.config import TextData
from trainers.data.tokens.made import made_text

_CONTINUES = 0b1000_0000
_HIGH_BITS = 0b1100_0000


class Bytes:
    """Bytes of UTF-8 as tokens."""

    def __init__(self, length: int) -> None:
        """Takes the number of bytes that a model sees."""
        self.length = length

    def prompt(self, text: str) -> tuple[list[int], int]:
        """The last bytes of a text, at most half of what the model sees.

        Raises:
          DataError: there is nothing to go on with.
        """
        if not text:
            raise DataError(
                "an empty text cannot be continued. Expected at least one character;"
                " received ''."
            )
        kept = max(1, self.length // 2)
        return list(text.encode()[-kept:]), self.length - self.length // 2

    def show(self, tokens: Sequence[int]) -> str:
        """Bytes as text; what is not UTF-8 becomes a replacement character."""
        return bytes(map(int, tokens)).decode("utf-8", "replace")


class TextSource(Bytes):
    """Windows that share no label: every byte but a text's first is predicted once."""

    vocabulary_size = 256
    ordinary_tokens = range(256)

    def __init__(self, text: bytes, length: int) -> None:
        """Takes the whole text; `length` bytes make one window."""
        super().__init__(length)
        self._num_bytes = len(text)
        self.size = -(-(self._num_bytes - 1) // length)
        # On the host: input pipelines run there, and a text may be large.
        with tf.device("/CPU:0"):
            self._text = tf.constant(np.frombuffer(text, np.uint8))

    def read(self, index: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `TokenSource.read`; the last window has weight 0 where the text is over.

        A character begins with every byte that is not a continuation in UTF-8.
        """
        offsets = tf.range(self.length + 1, dtype=tf.int64)
        place = index[:, None] * self.length + offsets
        window = tf.gather(self._text, tf.minimum(place, self._num_bytes - 1))
        window = tf.cast(window, tf.int32)
        label = window[:, 1:]
        begins = tf.bitwise.bitwise_and(label, _HIGH_BITS) != _CONTINUES
        return {
            "tokens": window[:, :-1],
            "label": label,
            "weight": tf.cast(place[:, 1:] < self._num_bytes, tf.float32),
            "character": tf.cast(begins, tf.float32),
        }


def open_text(config: TextData, split: str, length: int) -> TextSource:
    """Reads the text of one split.

    Raises:
      DataError: the file is missing or does not fill one window.
    """
    share = config.test_share
    key = "train" if split == "test" and share is not None else split
    path = Path(getattr(config, key))
    if config.made_when_missing and key == "train" and not path.exists():
        text = made_text().encode()
    else:
        text = _read(path, key)
    if share is not None and split != "validation":
        end = len(text) - int(len(text) * share)
        text = text[:end] if split == "train" else text[end:]
    if len(text) <= length:
        raise DataError(
            f"the text {path} is too short. Expected more than {length} bytes, the"
            f" model's max_length; received {len(text)}. Correct data.{key} or lower"
            " model.max_length."
        )
    return TextSource(text, length)


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the text {path}: {error.strerror}. Expected a UTF-8 file;"
            f" correct data.{key}."
        ) from None
