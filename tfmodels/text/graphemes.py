"""Texts as characters of one table for many languages, with a symbol for each variety.

A variety is a dialect or a language. Ids: 0 padding, 1 start, 2 end, 3 unknown; then a
symbol for each variety; then the space; then characters in the order of their code
points; then pieces of words, if there are any (US 11900915 B2, claims 3 and 4).
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
from typing import Any
from typing import Literal

import numpy as np

from tfmodels.errors import DataError
from tfmodels.text.merging import learn_merges

PADDING, START, END, UNKNOWN = 0, 1, 2, 3
"""Ids that every table has."""
SPECIAL = ("<pad>", "<sos>", "<eos>", "<unk>")
"""Their names."""
REPLACEMENT = "\ufffd"
"""What the unknown character is written as; no table has it."""

SymbolPlace = Literal["none", "begin", "end"]
"""Where the symbol of the variety stands in a label."""


@dataclass(frozen=True)
class Variety:
    """A dialect or a language, as `Graphemes` knows it."""

    name: str
    """Such as ``en-us`` or ``ar``."""
    language: str
    """The language that it is a variety of; its own name if it is one."""
    lower_case: bool = True
    """Whether its texts are in small letters."""


@dataclass(frozen=True)
class Graphemes:
    """What ids mean: varieties, and the characters of all languages together."""

    varieties: tuple[Variety, ...]
    """In the order of their numbers."""
    alphabets: Mapping[str, str]
    """Characters of each language but the space, in the order of their code points."""
    pieces: tuple[str, ...] = ()
    """Parts of words, of several characters, in the order of their ids."""

    @cached_property
    def characters(self) -> tuple[str, ...]:
        """The union of all languages, without the space."""
        return tuple(sorted(set().union(*self.alphabets.values())))

    @property
    def space(self) -> int:
        """Id of the space."""
        return len(SPECIAL) + len(self.varieties)

    @property
    def size(self) -> int:
        """Number of ids."""
        return self.space + 1 + len(self.characters) + len(self.pieces)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What people call each id."""
        symbols = (f"<{variety.name}>" for variety in self.varieties)
        return (*SPECIAL, *symbols, "<space>", *self.characters, *self.pieces)

    @cached_property
    def surfaces(self) -> tuple[str, ...]:
        """What each id adds to a text."""
        before = [""] * self.space
        before[UNKNOWN] = REPLACEMENT
        return (*before, " ", *self.characters, *self.pieces)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each character, the space included, and of each piece."""
        return {c: n for n, c in enumerate(self.surfaces) if n >= self.space}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.ids))

    @property
    def is_space(self) -> np.ndarray:
        """Which ids part words, bool [V]."""
        return np.arange(self.size) == self.space

    @property
    def is_special(self) -> np.ndarray:
        """Which ids are no text, bool [V]; the unknown character is some."""
        ids = np.arange(self.size)
        return (ids < self.space) & (ids != UNKNOWN)

    def number(self, variety: str | None) -> int:
        """The number of a variety, from 0.

        Raises:
          DataError: there is no such variety.
        """
        known = [each.name for each in self.varieties]
        if variety not in known:
            raise DataError(
                f"the variety {variety!r} is not known. Expected one of"
                f" {', '.join(known)}. Received {variety!r}; correct it, or add it to"
                " the varieties and learn anew."
            )
        return known.index(variety)

    def symbol(self, number: int) -> int:
        """Id of the symbol of a variety."""
        return len(SPECIAL) + number

    def variety_of(self, ids: Iterable[int]) -> int | None:
        """Number of the first variety whose symbol is there before the end."""
        for unit in map(int, ids):
            if unit == END:
                return None
            if len(SPECIAL) <= unit < self.space:
                return unit - len(SPECIAL)
        return None

    def mask(self, varieties: Iterable[str]) -> np.ndarray:
        """Ids that may be said in any of some varieties, bool [V].

        The end, the space, the symbols of the varieties, all characters of their
        languages and the pieces made of these; the unknown character is none of them.

        Raises:
          DataError: a variety is not known.
        """
        allowed = np.zeros(self.size, bool)
        allowed[[END, self.space]] = True
        for name in varieties:
            number = self.number(name)
            allowed[self.symbol(number)] = True
            alphabet = set(self.alphabets[self.varieties[number].language])
            for unit in (*self.characters, *self.pieces):
                allowed[self.ids[unit]] |= alphabet.issuperset(unit)
        return allowed

    def encode(self, text: str, variety: str) -> list[int]:
        """Ids of a text; characters outside the table become the unknown one.

        Raises:
          DataError: the variety is not known.
        """
        lower_case = self.varieties[self.number(variety)].lower_case
        return self.spelled(normalized(text, lower_case))

    def spelled(self, text: str) -> list[int]:
        """Ids of a text as it is: from the left, always the longest unit that fits."""
        ids, start = [], 0
        while start < len(text):
            end = min(len(text), start + self._longest)
            while end > start + 1 and text[start:end] not in self.ids:
                end -= 1
            ids.append(self.ids.get(text[start:end], UNKNOWN))
            start = end
        return ids

    def label(self, text: str, variety: str, place: SymbolPlace = "end") -> list[int]:
        """What a model is to say: units, the variety's symbol, the end.

        Args:
          text: the transcript.
          variety: its name.
          place: where the symbol stands (arXiv:1712.01541, section 2.1.1).

        Raises:
          DataError: the variety is not known.
        """
        units, symbol = self.encode(text, variety), self.symbol(self.number(variety))
        if place == "begin":
            units = [symbol, *units]
        elif place == "end":
            units = [*units, symbol]
        return [*units, END]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, up to the first end; symbols of varieties say nothing."""
        parts = []
        for unit in map(int, ids):
            if unit == END:
                break
            parts.append(self.surfaces[unit])
        return "".join(parts)

    def plain(self) -> dict[str, Any]:
        """What `from_plain` makes the same table of."""
        return {
            "varieties": [
                {
                    "name": variety.name,
                    "language": variety.language,
                    "lower_case": variety.lower_case,
                }
                for variety in self.varieties
            ],
            "alphabets": dict(self.alphabets),
            "pieces": list(self.pieces),
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Graphemes":
        """Checks and takes what `plain` gave.

        Raises:
          DataError: a part is missing or of another type.
        """
        try:
            varieties = [Variety(**each) for each in values["varieties"]]
            alphabets = dict(values["alphabets"])
            pieces = tuple(values.get("pieces", ()))
        except (KeyError, TypeError, ValueError):
            varieties, alphabets, pieces = [], {}, ()
        texts = [t for v in varieties for t in (v.name, v.language)]
        texts += [*alphabets, *alphabets.values(), *pieces]
        if (
            not varieties
            or not all(isinstance(text, str) for text in texts)
            or not all(isinstance(v.lower_case, bool) for v in varieties)
            or not {v.language for v in varieties} <= set(alphabets)
        ):
            raise DataError(
                "this is no table of graphemes. Expected varieties, each with name,"
                " language and lower_case, alphabets, a string for each language, and"
                f" pieces, a list of strings. Received the keys {sorted(values)}."
            )
        characters = build_graphemes(varieties, alphabets.items())
        return replace(characters, pieces=pieces)


def normalized(text: str, lower_case: bool) -> str:
    """A text as its characters are counted: NFC, single spaces, none at the ends."""
    text = text.lower() if lower_case else text
    return unicodedata.normalize("NFC", " ".join(text.split()))


def build_graphemes(
    varieties: Sequence[Variety],
    texts: Iterable[tuple[str, str]],
    num_pieces: int = 0,
) -> Graphemes:
    """The table of all characters of some texts.

    Args:
      varieties: in the order of their numbers.
      texts: language and text of each, already `normalized`.
      num_pieces: most pieces, learned from the words of all texts together.
    """
    found: dict[str, set[str]] = {variety.language: set() for variety in varieties}
    words: Counter[str] = Counter()
    for language, text in texts:
        found.setdefault(language, set()).update(text)
        if num_pieces:
            words.update(text.replace(REPLACEMENT, " ").split())
    alphabets = {
        language: "".join(sorted(characters - {" ", REPLACEMENT}))
        for language, characters in sorted(found.items())
    }
    pieces = learn_merges(words, num_pieces)
    return Graphemes(tuple(varieties), alphabets, tuple(pieces))
