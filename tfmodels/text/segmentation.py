"""Segmentation by the longest match from the left, and back, in plain Python.

The reference of `tfmodels.text.in_graph`, and what reads whole corpora once.
"""

import functools
from collections.abc import Iterable

from tfmodels.text.vocabulary import END
from tfmodels.text.vocabulary import FINISH
from tfmodels.text.vocabulary import WORD
from tfmodels.text.vocabulary import Vocabulary
from tfmodels.text.vocabulary import byte_mark

# Words whose pieces are remembered: a few hundred MB at the very most.
_REMEMBERED = 1 << 18


class Segmenter:
    """Makes pieces of texts and texts of pieces; both depend on the vocabulary alone.

    ``decode(encode(text)) == text`` for every text that UTF-8 can hold.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Takes the pieces."""
        self.vocabulary = vocabulary
        self._alphabet = vocabulary.alphabet
        self._forms = vocabulary.forms
        self._longest = max(map(len, self._forms))
        self._finish = FINISH if vocabulary.kind == "mixed" else ""
        self._word = functools.lru_cache(_REMEMBERED)(self._segmented)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, at least one; neither start nor end is among them."""
        return [number for word in text.split(" ") for number in self._word(word)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, up to the first end.

        Ids that are no text say nothing. What is not UTF-8, since a model may spell
        anything, becomes a replacement character.
        """
        surfaces, parts = self.vocabulary.surfaces, []
        for number in ids:
            if number == END:
                break
            parts.append(surfaces[number])
        text = b"".join(parts).removeprefix(b" ")
        return text.decode("utf-8", "replace")

    def _segmented(self, word: str) -> tuple[int, ...]:
        """Ids of what stands between two spaces."""
        spelled = "".join(
            c if c in self._alphabet else "".join(map(byte_mark, c.encode()))
            for c in word
        )
        rest = WORD + spelled + self._finish
        ids, start = [], 0
        while start < len(rest):
            end = min(len(rest), start + self._longest)
            while rest[start:end] not in self._forms:
                end -= 1
            ids.append(self._forms[rest[start:end]])
            start = end
        return tuple(ids)
