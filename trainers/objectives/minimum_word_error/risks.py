"""What answers cost against their references: words, characters, or as users like."""

from collections.abc import Callable
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfmodels.decoding.step import END
from tfmodels.metrics.edit_distance import weighted_distance
from tfmodels.metrics.words import WordTable
from tfmodels.metrics.words import character_errors
from tfmodels.metrics.words import word_errors
from tfmodels.metrics.words import word_ids
from trainers.functions import function_at

Risk = Callable[[tf.Tensor, tf.Tensor, WordTable], tf.Tensor]
"""Takes answers int32 [n, T], references int32 [n, U] and what units are; nothing
counts from `END` on. Returns what each answer costs, float32 [n]."""


def words(answers: tf.Tensor, references: tf.Tensor, table: WordTable) -> tf.Tensor:
    """How many words are wrong."""
    return _total(tf.add_n(list(word_errors(answers, references, table))))


def characters(
    answers: tf.Tensor, references: tf.Tensor, table: WordTable
) -> tf.Tensor:
    """How many characters are wrong."""
    return _total(tf.add_n(list(character_errors(answers, references, table))))


def weighted_words(weights: Mapping[tuple[int, ...], float]) -> Risk:
    """Wrong words, of which some cost more or less than 1.

    Args:
      weights: what an error in a word costs, by the word's units.
    """

    def risk(answers: tf.Tensor, references: tf.Tensor, table: WordTable) -> tf.Tensor:
        known, cost = _numbers(weights, table), tf.constant([*weights.values()])
        said, written = (word_ids(ids, table) for ids in (answers, references))

        def costs(words: tf.Tensor) -> tf.Tensor:
            equal = tf.cast(words[:, :, None] == known, tf.float32)
            return 1.0 + tf.linalg.matvec(equal, cost - 1.0)

        return weighted_distance(said, written, costs(said), costs(written))

    return risk


def normalized(risk: Risk) -> Risk:
    """A risk for each word of the reference, of which an empty one counts as 1."""

    def divided(
        answers: tf.Tensor, references: tf.Tensor, table: WordTable
    ) -> tf.Tensor:
        counts = tf.math.count_nonzero(word_ids(references, table), axis=1)
        counts = tf.cast(tf.maximum(counts, 1), tf.float32)
        return risk(answers, references, table) / counts

    return divided


def risk_called(name: str, weights: Mapping[tuple[int, ...], float]) -> Risk:
    """A risk by its name in the configuration.

    Args:
      name: one of `RISKS`, or the dotted path of a function.
      weights: see `weighted_words`; without any, all words cost 1.

    Raises:
      ConfigError: there is no such function.
    """
    of_words = weighted_words(weights) if weights else words
    known = {
        "words": of_words,
        "normalized_words": normalized(of_words),
        "characters": characters,
    }
    risk: Risk = known.get(name) or function_at(name, "objective.risk")
    return risk


def _numbers(weights: Mapping[tuple[int, ...], float], table: WordTable) -> tf.Tensor:
    """Numbers of words as `word_ids` gives them, int64 [E]."""
    units = np.full([len(weights), max(map(len, weights)) + 1], END, np.int32)
    for row, word in enumerate(weights):
        units[row, : len(word)] = word
    return tf.reduce_sum(word_ids(tf.constant(units), table), axis=1)


def _total(errors: tf.Tensor) -> tf.Tensor:
    return tf.cast(errors, tf.float32)
