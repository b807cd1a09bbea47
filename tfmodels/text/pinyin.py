"""Pinyin with digits of tones, such as ``ni3hao3``."""

import re

from tfmodels.errors import DataError

_WORD = re.compile(r"[A-Za-z\u00fc\u00dc:0-9]+")
_SYLLABLES = re.compile(r"([A-Za-z\u00fc\u00dc:]{1,7}[1-5])+")


def check_tones(text: str) -> None:
    """Whether each syllable has its tone: without, a voice guesses, and guesses wrong.

    Args:
      text: words of syllables that end in digits from 1 to 5, of which 5 is neutral.

    Raises:
      DataError: a word has a syllable without one.
    """
    for word in _WORD.findall(text):
        if not _SYLLABLES.fullmatch(word):
            raise DataError(
                "pinyin without tones. Expected a digit from 1 to 5 behind each"
                f" syllable, as in ni3hao3. Received {word!r}."
            )
