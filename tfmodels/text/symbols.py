"""Texts as a synthesiser takes them: characters, bytes or phonemes, one table.

Ids: 0 padding, 1 the end, which every text has; then 2 the unknown symbol and the
symbols in the order of their names, or of bytes the 256 values.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from typing import Literal

from tfmodels.errors import DataError
from tfmodels.text.graphemes import normalized

PADDING, END, UNKNOWN = 0, 1, 2
"""Ids of every table; of bytes, none is unknown."""
NUM_TONES = 7
"""Kinds of tone or stress: none, four tones of Mandarin, primary, secondary stress
(arXiv:1907.04448, section 2.1.3)."""
NO_TONE, PRIMARY, SECONDARY = 0, 5, 6

Representation = Literal["characters", "bytes", "phonemes"]
_SPECIAL = ("<pad>", "<eos>", "<oov>")
_KINDS = ("characters", "bytes", "phonemes")


@dataclass(frozen=True)
class Encoded:
    """A text as numbers."""

    ids: tuple[int, ...]
    """Of symbols, the end as the last."""
    tones: tuple[int, ...]
    """Of each of them, from 0 to 6."""
    unknown: tuple[str, ...] = ()
    """Symbols that the table does not have, in their order."""


@dataclass(frozen=True)
class Symbols:
    """What the ids of a synthesiser's texts mean."""

    kind: Representation
    """What a symbol is."""
    inventory: tuple[str, ...] = ()
    """Characters or names of phonemes; of bytes, none."""
    lower_case: bool = True
    """Whether characters and bytes are of small letters."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What people call each id."""
        if self.kind == "bytes":
            return (*_SPECIAL[:UNKNOWN], *(f"<{value}>" for value in range(256)))
        return (*_SPECIAL, *self.inventory)

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.names)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each symbol of the inventory."""
        return {name: n for n, name in enumerate(self.inventory, len(_SPECIAL))}

    def encode(self, text: str | Sequence[str], tones: Sequence[int] = ()) -> Encoded:
        """Numbers of a text.

        Args:
          text: what was written; of phonemes, their names.
          tones: of each phoneme; none when empty.

        Raises:
          DataError: there are other tones than phonemes, or tones that do not exist.
        """
        if self.kind == "bytes":
            content = normalized("".join(text), self.lower_case).encode()
            ids = [UNKNOWN + value for value in content]
            return Encoded((*ids, END), (NO_TONE,) * (len(ids) + 1))
        units: Sequence[str] = text
        if self.kind == "characters":
            units = list(normalized("".join(text), self.lower_case))
        found = [self.ids.get(unit, UNKNOWN) for unit in units]
        unknown = tuple(u for u, i in zip(units, found, strict=True) if i == UNKNOWN)
        if self.kind == "characters" or not tones:
            tones = (NO_TONE,) * len(found)
        if len(tones) != len(found) or not set(tones) <= set(range(NUM_TONES)):
            raise DataError(
                f"tones and phonemes do not fit. Expected {len(found)} tones from 0 to"
                f" {NUM_TONES - 1}, one for each phoneme. Received {list(tones)}."
            )
        return Encoded((*found, END), (*tones, NO_TONE), unknown)

    def plain(self) -> dict[str, Any]:
        """What `from_plain` makes the same table of."""
        return {
            "kind": self.kind,
            "inventory": list(self.inventory),
            "lower_case": self.lower_case,
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Symbols":
        """Checks and takes what `plain` gave.

        Raises:
          DataError: a part is missing or of another type.
        """
        kind, names = values.get("kind"), values.get("inventory")
        lower = values.get("lower_case")
        if (
            kind not in _KINDS
            or not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) != len(names)
            or not isinstance(lower, bool)
        ):
            raise DataError(
                f"this is no table of symbols. Expected kind, one of"
                f" {', '.join(_KINDS)}, inventory, a list of different texts, and"
                f" lower_case. Received the keys {sorted(values)}."
            )
        return cls(kind, tuple(names), lower)


def build_symbols(
    kind: Representation, texts: Iterable[str | Sequence[str]], lower_case: bool = True
) -> Symbols:
    """The table of all symbols of some texts, in the order of their names.

    Args:
      kind: what a symbol is.
      texts: what was written; of phonemes, their names.
      lower_case: whether characters and bytes are of small letters.
    """
    if kind == "bytes":
        return Symbols(kind, (), lower_case)
    found: set[str] = set()
    for text in texts:
        if kind == "characters":
            text = normalized("".join(text), lower_case)
        found.update(text)
    return Symbols(kind, tuple(sorted(found)), lower_case)
