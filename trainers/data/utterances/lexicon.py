"""Words and how they are pronounced: what graphs of a decoder are made from."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """Words numbered from 1 and phones numbered from 0, which is silence."""

    words: tuple[str, ...]
    """Word w is ``words[w - 1]``; 0 is no word."""
    phones: tuple[str, ...]
    """Phone p is ``phones[p]``."""
    pronunciations: tuple[tuple[int, ...], ...]
    """Phones of word w are ``pronunciations[w - 1]``."""
