"""Pieces of other programs' vocabularies: SentencePiece's byte pairs, without it.

What llama2.c's and Llama's tokenizers do (arXiv 1808.06226; google/sentencepiece,
``bpe_model.cc``): a text's characters are merged, always the two neighbours whose piece
has the highest score; a character without a piece is spelled by its bytes.
"""

import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tfmodels.errors import DataError

WORD = "▁"
"""Stands for a space."""
START = "<s>"
"""Name of the piece that every text begins with."""
_BYTE = re.compile("<0x([0-9A-F]{2})>")
_SPACES = re.compile(" +")


@dataclass(frozen=True)
class SentencePieces:
    """A vocabulary; the number of a piece is its place."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    """Of each piece; merges with higher ones come first."""

    def __post_init__(self) -> None:
        """Makes sure that any text can be written.

        Raises:
          DataError: pieces are missing, or there is one twice.
        """
        needed = [START, *(f"<0x{value:02X}>" for value in range(256))]
        missing = [piece for piece in needed if piece not in self._number]
        if missing or len(self._number) != len(self.pieces):
            raise DataError(
                "not a vocabulary of byte pairs. Expected different pieces, among them"
                f" {START} and one for each byte. Received {len(self.pieces)} pieces,"
                f" {len(self._number)} different, without"
                f" {', '.join(missing[:3]) or 'any missing'}; name another tokenizer."
            )

    @classmethod
    def from_plain(cls, plain: Any) -> "SentencePieces":
        """What `plain` made.

        Raises:
          DataError: it did not.
        """
        try:
            pieces, scores = zip(*((str(p), float(s)) for p, s in plain), strict=True)
        except (TypeError, ValueError) as error:
            raise DataError(
                "not a table of pieces. Expected pairs of a piece and its score."
                f" Received what gives: {error}; export or convert again."
            ) from None
        return cls(pieces, scores)

    def plain(self) -> list[list[Any]]:
        """Pairs of a piece and its score, for JSON."""
        return [list(pair) for pair in zip(self.pieces, self.scores, strict=True)]

    @property
    def start(self) -> int:
        """The number of `START`."""
        return self._number[START]

    def encode(self, text: str) -> list[int]:
        """Numbers of a text's pieces, without a start."""
        text = _SPACES.sub(" ", text.strip(" "))
        if not text:
            return []
        parts: list[str] = list((" " + text).replace(" ", WORD))
        after = [*range(1, len(parts)), -1]
        before = list(range(-1, len(parts) - 1))
        waiting: list[tuple[float, int, str]] = []

        def propose(left: int) -> None:
            if left >= 0 and after[left] >= 0:
                merged = parts[left] + parts[after[left]]
                number = self._number.get(merged)
                if number is not None:
                    heapq.heappush(waiting, (-self.scores[number], left, merged))

        for place in range(len(parts)):
            propose(place)
        while waiting:
            _, left, merged = heapq.heappop(waiting)
            right = after[left]
            if right < 0 or not parts[left] or parts[left] + parts[right] != merged:
                continue  # One of the two has become part of another piece.
            parts[left], parts[right] = merged, ""
            after[left] = after[right]
            if after[left] >= 0:
                before[after[left]] = left
            propose(before[left])
            propose(left)
        return [number for part in parts if part for number in self._spelled(part)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers, without spaces before its first word.

        Starts and ends have no text; bytes that are no UTF-8 become a replacement
        character.
        """
        text = b"".join(self._bytes[number] for number in numbers)
        return text.decode("utf-8", "replace").lstrip(" ")

    @cached_property
    def _number(self) -> dict[str, int]:
        return {piece: number for number, piece in enumerate(self.pieces)}

    @cached_property
    def _bytes(self) -> list[bytes]:
        made = []
        for piece in self.pieces:
            byte = _BYTE.fullmatch(piece)
            if byte:
                made.append(bytes([int(byte[1], 16)]))
            elif piece in (START, "</s>"):
                made.append(b"")
            else:
                made.append(piece.replace(WORD, " ").encode())
        return made

    def _spelled(self, part: str) -> list[int]:
        number = self._number.get(part)
        if number is not None:
            return [number]
        return [self._number[f"<0x{value:02X}>"] for value in part.encode()]


def read_model(content: bytes) -> SentencePieces:
    """The pieces of a SentencePiece ``.model`` file.

    Of its protocol buffer the repeated field 1 counts: a piece, its string and its
    score the fields 1 and 2 (``sentencepiece_model.proto``).

    Raises:
      DataError: it is no such file, or cut off.
    """
    pairs = []
    try:
        for field, value in _fields(content):
            if field == 1:
                parts = dict(_fields(value))
                score = memoryview(parts.get(2, bytes(4))).cast("f")[0]
                pairs.append([parts[1].decode(), score])
    except (IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DataError(
            "not a tokenizer. Expected the .model file that SentencePiece writes."
            f" Received {len(content)} bytes that are cut off or of another kind"
            f" ({type(error).__name__}); name another file."
        ) from None
    return SentencePieces.from_plain(pairs)


def _fields(content: bytes) -> Iterable[tuple[int, Any]]:
    """Numbers and contents of a message's fields: bytes, or an int for a varint.

    Raises:
      IndexError: it is cut off.
      TypeError: it has a kind of field that is not in use.
    """
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = content[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(content):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        sizes = {1: 8, 5: 4}
        if kind != 2 and kind not in sizes:
            raise TypeError(kind)
        size = sizes.get(kind) or varint()
        place += size
        if place > len(content):
            raise IndexError(place)
        yield key >> 3, content[place - size : place]
