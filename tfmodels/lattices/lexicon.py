"""Phones, words and how words are pronounced; the word loop with optional silence."""

import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from typing import Any
from typing import NamedTuple

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.grammar import Arc
from tfmodels.lattices.grammar import Grammar
from tfmodels.lattices.graph import LOG_ZERO

EPSILON = "<eps>"
"""Name of number 0 in every table of symbols."""


@dataclass(frozen=True)
class PhoneSet:
    """The phones of a recogniser, numbered from 1."""

    names: tuple[str, ...]
    """Name of each phone; that of number 0 is `EPSILON`."""
    silence: int
    """The phone that may stand between words."""
    classes: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Sets of phones that are alike, by name: what decision trees ask for."""

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Number of each phone by name."""
        return {name: number for number, name in enumerate(self.names) if number}

    @cached_property
    def silences(self) -> frozenset[int]:
        """The phones that are no speech: `silence`, and those of the class
        ``silence``, such as noises."""
        return self.classes.get("silence", frozenset()) | {self.silence}

    @classmethod
    def create(
        cls,
        names: Iterable[str],
        silence: str,
        classes: Mapping[str, Iterable[str]] | None = None,
    ) -> "PhoneSet":
        """Numbers phones in the order of their names.

        Raises:
          DataError: silence, or a member of a class, is not one of them.
        """
        names = (EPSILON, *names)
        index = {name: number for number, name in enumerate(names)}
        members = {key: tuple(value) for key, value in (classes or {}).items()}
        for name in (silence, *(name for value in members.values() for name in value)):
            if name not in index:
                raise DataError(
                    f"There is no such phone. Expected one of {' '.join(names[1:])};"
                    f" received {name}."
                )
        sets = {
            key: frozenset(index[name] for name in value)
            for key, value in members.items()
        }
        return cls(names, index[silence], sets)


@dataclass(frozen=True)
class Lexicon:
    """Words, numbered from 1, and the phones they are pronounced with."""

    phones: PhoneSet
    """Where the numbers of phones come from."""
    words: tuple[str, ...]
    """Name of each word; that of number 0 is `EPSILON`."""
    pronunciations: tuple[tuple[tuple[int, ...], ...], ...]
    """Of each word, its variants, each a sequence of phones. None of number 0."""

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Number of each word by name."""
        return {name: number for number, name in enumerate(self.words) if number}

    @classmethod
    def create(
        cls, entries: Iterable[tuple[str, Sequence[str]]], phones: PhoneSet
    ) -> "Lexicon":
        """Numbers words in the order in which they are first met.

        Args:
          entries: a word and the names of its phones; again for each variant.
          phones: the phones that may occur.

        Raises:
          DataError: a phone is unknown or a pronunciation is empty.
        """
        variants: dict[str, list[tuple[int, ...]]] = {}
        for word, names in entries:
            unknown = [name for name in names if name not in phones.index]
            if unknown or not names:
                raise DataError(
                    f"The pronunciation of {word} is wrong. Expected phones, of"
                    f" {' '.join(phones.names[1:])}; received {' '.join(names)!r}."
                )
            found = variants.setdefault(word, [])
            phone = tuple(phones.index[name] for name in names)
            if phone not in found:
                found.append(phone)
        pronunciations = (tuple(value) for value in variants.values())
        return cls(phones, (EPSILON, *variants), ((), *pronunciations))

    def encode(self, words: Iterable[str]) -> tuple[int, ...]:
        """Numbers of words.

        Raises:
          DataError: a word has no pronunciation.
        """
        words = tuple(words)
        for word in words:
            if word not in self.index:
                raise DataError(
                    f"The lexicon has no pronunciation of {word}. Expected words of the"
                    f" lexicon; received {' '.join(words)}."
                )
        return tuple(self.index[word] for word in words)


class _Place(NamedTuple):
    """A state of `Pronounced`."""

    rest: tuple[int, ...]
    """Phones that are left of the present word."""
    state: Any
    """State of the grammar of words, after the present word."""
    pause: bool
    """Whether silence may come next, once nothing is left."""


class Pronounced:
    """The phones of a grammar of words, silence being optional around each word.

    The variants of a word are equally probable. The word is on its first phone, the
    grammar's weight as well. Words of which the same phones are left, and after which
    the grammar is in the same state, share them.
    """

    def __init__(self, grammar: Grammar, lexicon: Lexicon, silence_prob: float) -> None:
        """Takes words, their phones and the probability of silence after each word.

        Raises:
          ConfigError: silence is certain, or its probability is below 0.
        """
        if not 0 <= silence_prob < 1:
            raise ConfigError(
                "The probability of optional silence is wrong. Expected silence_prob"
                f" in [0, 1); received {silence_prob}."
            )
        self._grammar = grammar
        self._lexicon = lexicon
        self._silence_prob = silence_prob
        self.start = _Place((), grammar.start, True)

    def arcs(self, state: _Place) -> Sequence[Arc]:
        """See `Grammar`."""
        if state.rest:
            return (self._enter(state.rest, 0.0, state.state, 0),)
        found = []
        if state.pause and self._silence_prob:
            silence = _Place((), state.state, False)
            weight = math.log(self._silence_prob)
            found.append(Arc(self._lexicon.phones.silence, weight, silence))
        for arc in self._grammar.arcs(state.state):
            variants = self._lexicon.pronunciations[arc.label]
            weight = arc.weight + self._no_pause(state) - math.log(len(variants))
            found += [
                self._enter(phones, weight, arc.target, arc.label)
                for phones in variants
            ]
        return found

    def final(self, state: _Place) -> float:
        """See `Grammar`."""
        weight = self._grammar.final(state.state)
        if state.rest or weight <= LOG_ZERO:
            return LOG_ZERO
        return weight + self._no_pause(state)

    def _no_pause(self, state: _Place) -> float:
        return math.log1p(-self._silence_prob) if state.pause else 0.0

    @staticmethod
    def _enter(phones: tuple[int, ...], weight: float, state: Any, word: int) -> Arc:
        return Arc(phones[0], weight, _Place(phones[1:], state, True), word)
