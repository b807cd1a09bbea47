"""Texts cut into pieces that a synthesiser says at once: sentences, or less."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

_FULL_STOP = "."
_SENTENCE_ENDS = frozenset("!?…\u3002\uff01\uff1f")
_CLAUSE_ENDS = frozenset(",;:\uff0c\uff1b\uff1a\u3001")
_SENTENCE_PAUSE, _CLAUSE_PAUSE = 0.3, 0.15


class Piece(NamedTuple):
    """A part of a text, without spaces at its ends."""

    begin: int
    """Its first unit."""
    end: int
    """The first unit behind it."""
    pause: float
    """Seconds of silence that belong behind it."""


def cut(
    units: Sequence[str], most: int, sizes: Sequence[int] | None = None
) -> list[Piece]:
    """Sentences of a text; longer ones cut at punctuation, or else between words.

    Where neither is in reach, as in a word that is too long, they are cut anywhere.

    Args:
      units: characters or phonemes, spaces and punctuation as units of their own.
      most: largest size of a piece; a single unit may have more.
      sizes: of each unit; 1 when absent.
    """
    sizes = [1] * len(units) if sizes is None else sizes
    before = [0, *accumulate(sizes)]
    found, begin = [], 0
    for end in _sentence_ends(units):
        while True:
            begin = _behind_spaces(units, begin, end)
            if begin == end:
                break
            place = end
            if before[end] - before[begin] > most:
                place = _best_place(units, before, begin, end, most)
            stop = place
            while units[stop - 1].isspace():
                stop -= 1
            found.append(Piece(begin, stop, _pause(units, stop)))
            begin = place
    return found


def _sentence_ends(units: Sequence[str]) -> list[int]:
    """Places behind the sentences; the last one is the end of the text."""
    ends = []
    for place, unit in enumerate(units, 1):
        last = place == len(units)
        # A full stop within a number or a name is followed by more of it.
        stopped = unit == _FULL_STOP and not last and units[place].isspace()
        if last or stopped or unit in _SENTENCE_ENDS or unit == "\n":
            ends.append(place)
    return ends


def _behind_spaces(units: Sequence[str], begin: int, end: int) -> int:
    while begin < end and units[begin].isspace():
        begin += 1
    return begin


def _best_place(
    units: Sequence[str], before: Sequence[int], begin: int, end: int, most: int
) -> int:
    """Where to cut a sentence that is too long."""
    last = begin + 1
    while last < end and before[last + 1] - before[begin] <= most:
        last += 1
    places = range(last, begin, -1)
    for place in places:
        if units[place - 1] in _CLAUSE_ENDS:
            return place
    for place in places:
        if units[place - 1].isspace() or (place < end and units[place].isspace()):
            return place
    return last


def _pause(units: Sequence[str], end: int) -> float:
    if units[end - 1] in _CLAUSE_ENDS:
        return _CLAUSE_PAUSE
    ends = units[end - 1] in _SENTENCE_ENDS or units[end - 1] == _FULL_STOP
    return _SENTENCE_PAUSE if ends else 0.0
