"""Words and characters that sequences of units spell, and errors in them, in graphs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.decoding.step import END
from tfmodels.metrics.edit_distance import EditErrors
from tfmodels.metrics.edit_distance import edit_errors
from tfmodels.metrics.edit_distance import running_minimum

# Odd, with bits all over: Steele and Vigna, "Computationally easy, spectrally good
# multipliers", arXiv 2001.05304.
_MULTIPLIER = 0xD1342543DE82EF95
_SPACE = ord(" ")


class WordTable:
    """What the units of a vocabulary are to words, as constants.

    Args:
      texts: what each unit stands for. Texts of a sequence make its text, which spaces
        split into words; a unit may have a space at its front, or be one. Those without
        a text are as if they were not there: padding, symbols of varieties.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        words = [text.lstrip(" ") for text in texts]
        self.part = np.array([word != "" for word in words])
        """Is part of a word, bool [V]."""
        self.breaks = np.array([text[:1] == " " for text in texts])
        """Ends the word before, bool [V]."""
        self.lengths = np.array([len(word) for word in words], np.int32)
        """Characters of words, int32 [V]."""
        longest = max(1, *map(len, texts))
        self.characters = np.zeros([len(texts), longest], np.int32)
        """Code points and 0 after them, int32 [V, L]."""
        for row, text in enumerate(texts):
            self.characters[row, : len(text)] = [ord(character) for character in text]
        powers = _powers(longest).view(np.uint64)
        numbers = [[ord(character) for character in word] for word in words]
        self.numbers = np.array(
            [np.dot(np.array(n, np.uint64), powers[: len(n)]) for n in numbers]
        ).view(np.int64)
        """What a unit counts at the front of a word, int64 [V]."""


class _Spelling(NamedTuple):
    """Units of some sequences, each [n, U]."""

    heard: tf.Tensor
    """Whether this comes before the end, bool."""
    breaks: tf.Tensor
    """Whether the word before is over here, bool."""
    begun: tf.Tensor
    """Place of the last such break, 0 if there was none, int32."""
    before: tf.Tensor
    """Characters of words before this place, int32."""
    inside: tf.Tensor
    """Those of its own word, int32."""
    said: tf.Tensor
    """Whether the word that is open here has any, with this unit, bool."""


def word_ids(units: tf.Tensor, table: WordTable) -> tf.Tensor:
    """A number for each word, equal for equal words, where the word ends.

    The characters of a word are the digits of a number of which the last 64 bits
    remain; XLA compiles it, without a loop. Two words get the same number as rarely as
    two numbers of 64 bits that are drawn at random are equal.

    Args:
      units: int32 [n, U], U at least 1; nothing counts from `END` on.
      table: what the units are.

    Returns:
      int64 [n, U], 0 wherever no word ends.
    """
    units = tf.convert_to_tensor(units)
    spelling = _spelling(units, table)
    longest = table.characters.shape[1]
    if units.shape[1] is None:
        powers = _powers_in_graph(tf.shape(units)[1] * longest)
    else:
        powers = _powers(units.shape[1] * longest)
    digits = tf.gather(table.numbers, units) * tf.gather(powers, spelling.inside)
    digits = tf.where(spelling.heard, digits, tf.zeros_like(digits))
    total = tf.cumsum(digits, axis=1)
    number = total - tf.gather(total - digits, spelling.begun, batch_dims=1)
    number = tf.where(number == 0, tf.ones_like(number), number)
    return tf.where(_ends(spelling), number, tf.zeros_like(number))


def word_counts(units: tf.Tensor, table: WordTable) -> tf.Tensor:
    """How many words there are, int32 [n]; see `word_ids`."""
    spelling = _spelling(tf.convert_to_tensor(units), table)
    return tf.math.count_nonzero(_ends(spelling), axis=1, dtype=tf.int32)


def character_ids(units: tf.Tensor, table: WordTable) -> tf.Tensor:
    """The characters of words, and one space between two words.

    Args:
      units: see `word_ids`.
      table: see `word_ids`.

    Returns:
      int32 [n, U L], code points, and 0 where there is nothing.
    """
    units = tf.convert_to_tensor(units)
    spelling = _spelling(units, table)
    # A word is before, and one comes, for which no earlier space stands.
    after = tf.pad(spelling.said[:, :-1], [[0, 0], [1, 0]])
    lengths = tf.where(spelling.heard, tf.gather(table.lengths, units), 0)
    comes = tf.reduce_sum(lengths, axis=1, keepdims=True) > spelling.before
    space = spelling.breaks & after & comes
    characters = tf.gather(table.characters, units)
    counts = spelling.heard[..., None] & ((characters != _SPACE) | space[..., None])
    characters = tf.where(counts, characters, 0)
    length = units.shape[1] or tf.shape(units)[1]
    return tf.reshape(characters, [-1, length * table.characters.shape[1]])


def word_errors(
    hypotheses: tf.Tensor, references: tf.Tensor, table: WordTable
) -> EditErrors:
    """Words that were put in the place of others, added, and left out.

    Args:
      hypotheses: int32 [n, T], see `word_ids`.
      references: int32 [n, U].
      table: what the units are.

    Returns:
      Counts int32 [n].
    """
    return edit_errors(word_ids(hypotheses, table), word_ids(references, table))


def character_errors(
    hypotheses: tf.Tensor, references: tf.Tensor, table: WordTable
) -> EditErrors:
    """`word_errors` of `character_ids`."""
    return edit_errors(
        character_ids(hypotheses, table), character_ids(references, table)
    )


def _spelling(units: tf.Tensor, table: WordTable) -> _Spelling:
    heard = tf.cumsum(tf.cast(units == END, tf.int32), axis=1) == 0
    breaks = heard & tf.gather(table.breaks, units)
    place = tf.range(units.shape[1] or tf.shape(units)[1])
    begun = -running_minimum(tf.where(breaks, -place, 0))
    lengths = tf.where(heard, tf.gather(table.lengths, units), 0)
    before = tf.cumsum(lengths, axis=1, exclusive=True)
    inside = before - tf.gather(before, begun, batch_dims=1)
    return _Spelling(heard, breaks, begun, before, inside, inside + lengths > 0)


def _ends(spelling: _Spelling) -> tf.Tensor:
    """Where a word ends, bool [n, U]."""
    over = tf.pad(spelling.breaks[:, 1:], [[0, 0], [0, 1]], constant_values=True)
    return over & spelling.said


def _powers(count: int) -> np.ndarray:
    """Of the multiplier, int64 [count], without the bits that do not fit."""
    factors = np.full(count, _MULTIPLIER, np.uint64)
    factors[0] = 1
    return np.cumprod(factors).view(np.int64)


def _powers_in_graph(count: tf.Tensor) -> tf.Tensor:
    """`_powers`, int64 [count], count int32 []."""
    multiplier = np.uint64(_MULTIPLIER).astype(np.int64)
    return tf.math.cumprod(tf.fill([count], multiplier), exclusive=True)
