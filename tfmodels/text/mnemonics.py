"""Phonemes, tones and stress from eSpeak NG's mnemonics.

Not from its IPA, which writes the first and the fourth tone of Mandarin alike.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tfmodels.errors import DataError
from tfmodels.text.symbols import NO_TONE
from tfmodels.text.symbols import PRIMARY
from tfmodels.text.symbols import SECONDARY

SPACE = " "
"""What stands between words."""
_TONES = {"55": 1, "35": 2, "214": 3, "21": 3, "51": 4, "11": NO_TONE}
_TONE = re.compile(r"^(.*?[^0-9])([1-5]{2,3})$")
_STRESS = {"'": PRIMARY, ",": SECONDARY}
_MARKS = "',%="
_SWITCH = re.compile(r"\([a-z0-9-]+\)")
_GLIDES = ("w", "j", "y")
_PUNCTUATION = ".,;:!?…\u3002\uff0c\uff1f\uff01\uff1b\uff1a\u3001"
# Pauses and the like, without the "_" that also parts phonemes.
_PAUSES = {"", ":", "|", "!", ";"}


class Phonemes(NamedTuple):
    """A text as names of phonemes."""

    names: tuple[str, ...]
    """With a space between words, and punctuation."""
    tones: tuple[int, ...]
    """Of each, from 0 to 6."""
    is_spoken: tuple[bool, ...]
    """Which are phonemes, and neither spaces nor punctuation."""


def is_pause(name: str) -> bool:
    """Whether an event of eSpeak NG is no phoneme but a pause."""
    return name.startswith("_") or not name


def parse_mnemonics(
    clauses: Iterable[tuple[str, str]], tonal: bool = False
) -> Phonemes:
    """Reads what eSpeak NG says of a text.

    In tonal languages the tone is that of all phonemes of a syllable; in others the
    stress is that of the vowel only, for mnemonics say no more.

    Args:
      clauses: written form and mnemonics of each clause, phonemes parted by ``_``.
      tonal: whether vowels end in digits of a tone.

    Raises:
      DataError: a tone is not known, or there is no phoneme.
    """
    names: list[str] = []
    tones: list[int] = []
    spoken: list[bool] = []

    def add(name: str, tone: int, is_spoken: bool) -> None:
        names.append(name)
        tones.append(tone)
        spoken.append(is_spoken)

    for written, mnemonics in clauses:
        for word in _SWITCH.sub("", mnemonics).split():
            if names:
                add(SPACE, NO_TONE, False)
            for name, tone in _word(word, tonal):
                add(name, tone, True)
        # eSpeak NG reads a little further than a clause goes.
        marks = [sign for sign in written if sign in _PUNCTUATION]
        if marks and names:
            add(marks[-1], NO_TONE, False)
    if not any(spoken):
        raise DataError(
            "there is nothing to say. Expected a text with words. Received"
            f" {' '.join(written for written, _ in clauses)!r}."
        )
    return Phonemes(tuple(names), tuple(tones), tuple(spoken))


def _word(word: str, tonal: bool) -> list[tuple[str, int]]:
    """Phonemes and tones of a word."""
    phonemes: list[tuple[str, int]] = []
    begun = 0
    parts = [part for part in word.split("_") if part.lstrip(_MARKS) not in _PAUSES]
    for place, part in enumerate(parts):
        name = part.lstrip(_MARKS)
        if not tonal:
            marks = part[: len(part) - len(name)]
            stress = next((_STRESS[m] for m in marks if m in _STRESS), NO_TONE)
            phonemes.append((name, stress))
            continue
        found = _TONE.match(name)
        if found is None:
            ends = begun and begun == len(phonemes) and _ends_syllable(parts, place)
            phonemes.append((name, phonemes[-1][1] if ends else NO_TONE))
            begun += bool(ends)
            continue
        name, digits = found.groups()
        if digits not in _TONES:
            raise DataError(
                f"the tone of {part!r} is not known. Expected one of"
                f" {', '.join(_TONES)}. Received {digits}."
            )
        tone = _TONES[digits]
        phonemes.append((name, tone))
        phonemes[begun:] = [(each, tone) for each, _ in phonemes[begun:]]
        begun = len(phonemes)
    return phonemes


def _ends_syllable(parts: list[str], place: int) -> bool:
    """Whether a nasal behind a vowel is of the syllable of this."""
    following = parts[place + 1].lstrip(_MARKS) if place + 1 < len(parts) else ""
    begins = bool(_TONE.match(following)) or following in _GLIDES
    return parts[place] == "N" or (parts[place] == "n" and not begins)
