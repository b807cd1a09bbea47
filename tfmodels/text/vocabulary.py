"""What a vocabulary of pieces holds, how its ids are numbered, and its fingerprint.

Ids: 0 padding, 1 start, 2 end, 3 unknown; then a token for each target language; then
the 256 bytes; then the pieces. A word is what stands between two spaces. The mark of
its beginning is at the start of a piece only, and stands for the space before it.

A character outside the alphabet is spelled by its bytes. So is the mark itself, where
it is in a text: nothing is lost, whatever the text is.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from typing import Literal
from typing import TypeGuard

from tfmodels.errors import DataError

PADDING, START, END, UNKNOWN = 0, 1, 2, 3
"""Ids that every vocabulary has."""
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
"""Their names."""
BYTES = 256
WORD = "▁"
"""Mark of a word's beginning."""

# Of a private plane of Unicode: no alphabet has them, so no text can imitate them.
FINISH = "\U0010f900"
"""Mark of a word's end while it is matched; only mixed vocabularies have it."""
_FIRST_BYTE = 0x10FA00
_FIRST_PRIVATE = 0x100000

Kind = Literal["wordpieces", "mixed"]
_MARKS = ("<B>", "<M>", "<E>")


def byte_mark(value: int) -> str:
    """What stands for a byte while a text is matched: one private character."""
    return chr(_FIRST_BYTE + value)


def is_spelled(character: str) -> bool:
    """Whether a character is in no alphabet: marks, line ends, controls, private."""
    return (
        character in (WORD, " ")
        or ord(character) >= _FIRST_PRIVATE
        or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    )


@dataclass(frozen=True)
class Vocabulary:
    """Pieces in the order of their ids, and what comes before them."""

    kind: Kind
    """``wordpieces``: parts of words (arXiv:1609.08144, section 4.1). ``mixed``: whole
    words, and characters marked ``<B>``, ``<M>``, ``<E>`` by where in a word they are
    (section 4.2)."""
    languages: tuple[str, ...]
    """Target languages that have a token, such as ``de``; none as a rule."""
    pieces: tuple[str, ...]
    """Without special ids, languages and bytes."""

    @property
    def size(self) -> int:
        """Number of ids."""
        return self._first_piece + len(self.pieces)

    @property
    def first_byte(self) -> int:
        """Id of the byte 0."""
        return len(SPECIAL) + len(self.languages)

    @property
    def _first_piece(self) -> int:
        return self.first_byte + BYTES

    @property
    def ordinary(self) -> range:
        """Ids of pieces: neither special nor languages nor bytes."""
        return range(self._first_piece, self.size)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all that decides what ids mean, in hexadecimal."""
        text = json.dumps(self.plain(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What people call each id."""
        languages = (f"<2{language}>" for language in self.languages)
        spelled = (f"<0x{value:02X}>" for value in range(BYTES))
        return (*SPECIAL, *languages, *spelled, *self.pieces)

    @cached_property
    def surfaces(self) -> tuple[bytes, ...]:
        """What each id adds to a text, in UTF-8; nothing for ids that are no text."""
        before = [b""] * self.first_byte
        spelled = [bytes([value]) for value in range(BYTES)]
        return (*before, *spelled, *map(self._surface, self.pieces))

    def _surface(self, piece: str) -> bytes:
        if self.kind == "mixed" and piece.startswith(_MARKS):
            piece = (WORD if piece.startswith("<B>") else "") + piece[3:]
        return piece.replace(WORD, " ").encode()

    @cached_property
    def alphabet(self) -> frozenset[str]:
        """Characters that need not be spelled; the space is none of them."""
        if self.kind == "wordpieces":
            return frozenset(p for p in self.pieces if len(p) == 1 and p != WORD)
        return frozenset(p[3:] for p in self.pieces if p.startswith(_MARKS))

    @cached_property
    def forms(self) -> dict[str, int]:
        """Id of every string that the longest match may find, marks included."""
        first = self.first_byte
        forms = {byte_mark(value): first + value for value in range(BYTES)}
        if self.kind == "wordpieces":
            ids = enumerate(self.pieces, self._first_piece)
            return {**forms, **{piece: number for number, piece in ids}}
        forms |= {form + FINISH: number for form, number in forms.items()}
        characters: dict[str, int] = {}
        words: dict[str, int] = {}
        for number, piece in enumerate(self.pieces, self._first_piece):
            if piece.startswith(WORD):
                words[piece + FINISH] = number
            else:
                characters |= dict.fromkeys(_marked_forms(piece), number)
        nothing = self._first_piece + self.pieces.index(WORD)
        return {**forms, **characters, **words, WORD: nothing}

    def language_id(self, language: str | None) -> int:
        """Id of the token ``<2xx>`` that asks for a language.

        Raises:
          DataError: there is no such token.
        """
        if language not in self.languages:
            known = ", ".join(self.languages) or "none: it was made without languages"
            raise DataError(
                "the vocabulary has no token for a target language. Expected one of"
                f" its languages ({known}). Received {language!r}; correct"
                " target_language, or learn another vocabulary."
            )
        return len(SPECIAL) + self.languages.index(language)

    def plain(self) -> dict[str, Any]:
        """What `from_plain` makes the same vocabulary of."""
        return {
            "kind": self.kind,
            "languages": list(self.languages),
            "pieces": list(self.pieces),
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Vocabulary":
        """Checks and takes what `plain` gave.

        Raises:
          DataError: a part is missing or of another type, or a piece is there twice or
            could never be matched.
        """
        kind, languages = values.get("kind"), values.get("languages")
        pieces = values.get("pieces")
        if (
            kind not in ("wordpieces", "mixed")
            or not _is_strings(languages)
            or not _is_strings(pieces)
        ):
            raise DataError(
                "this is no vocabulary. Expected kind (wordpieces or mixed), and"
                " languages and pieces, lists of strings. Received the keys"
                f" {sorted(values)} and the kind {kind!r}."
            )
        _check_pieces(kind, pieces)
        return cls(kind, tuple(languages), tuple(pieces))


def _check_pieces(kind: Kind, pieces: list[str]) -> None:
    """Checks that all pieces are different and can be matched.

    Raises:
      DataError: one is not.
    """
    seen: set[str] = set()
    marks = _MARKS if kind == "mixed" else ("",)
    characters = {p[-1:] for p in pieces if p[:-1] in marks}
    for piece in pieces:
        rest = piece.removeprefix(WORD)
        if kind == "mixed" and not piece.startswith(WORD):
            wrong = piece[:-1] not in _MARKS
            rest = piece[-1:]
        else:
            wrong = not set(rest) <= characters
        if not piece or wrong or piece in seen or any(map(is_spelled, rest)):
            raise DataError(
                "the vocabulary holds a piece that cannot be. Expected every piece"
                f" once, {WORD} at most at its start, and every character of one among"
                f" the pieces. Received {piece!r} in a vocabulary of the kind {kind};"
                " mend the file, or remove it to have it learned anew."
            )
        seen.add(piece)
    if WORD not in seen:
        raise DataError(
            f"the vocabulary cannot write a space. Expected {WORD} among the pieces."
            f" Received {len(pieces)} pieces without it; remove the file to have it"
            " learned anew."
        )


def marked(character: str) -> list[str]:
    """The three pieces of a character in a mixed vocabulary."""
    return [mark + character for mark in _MARKS]


def _is_strings(values: Any) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(v, str) for v in values)


def _marked_forms(piece: str) -> list[str]:
    """How a marked character looks while a word is matched."""
    mark, character = piece[:3], piece[3:]
    if mark == "<B>":
        return [WORD + character, WORD + character + FINISH]
    return [character] if mark == "<M>" else [character + FINISH]
