"""Figures of recognisers, as sums that add up: WER, CER, SER, lists, and varieties."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.decoding.step import END
from tfmodels.decoding.step import repeated
from tfmodels.metrics.edit_distance import EditErrors
from tfmodels.metrics.words import WordTable
from tfmodels.metrics.words import character_errors
from tfmodels.metrics.words import character_ids
from tfmodels.metrics.words import word_errors
from tfmodels.metrics.words import word_ids

Ratios = dict[str, tuple[tf.Tensor, tf.Tensor]]
"""(numerator, denominator) by name, float32, sums over examples."""

WER_OF_VARIETY = "wer_of_variety"


def error_rates(
    hypotheses: tf.Tensor, references: tf.Tensor, exists: tf.Tensor, table: WordTable
) -> Ratios:
    """Errors for each word, character and utterance of the references.

    Args:
      hypotheses: int32 [b, T], see `tfmodels.metrics.words.word_ids`.
      references: int32 [b, U].
      exists: bool [b], whether this is an utterance.
      table: what the units are.

    Returns:
      ``wer`` and ``cer``, and each with ``_substitutions``, ``_insertions`` and
      ``_deletions``; ``ser``, the share of utterances with any wrong word. All [].
    """
    said = word_errors(hypotheses, references, table)
    words = tf.math.count_nonzero(word_ids(references, table), axis=1)
    spelled = character_errors(hypotheses, references, table)
    characters = tf.math.count_nonzero(character_ids(references, table), axis=1)
    wrong = tf.cast(tf.add_n(list(said)) > 0, tf.float32)
    return {
        **_rates("wer", said, words, exists),
        **_rates("cer", spelled, characters, exists),
        "ser": (_sum(wrong, exists), _sum(tf.ones_like(wrong), exists)),
    }


def oracle_rate(
    hypotheses: tf.Tensor,
    valid: tf.Tensor,
    references: tf.Tensor,
    exists: tf.Tensor,
    table: WordTable,
) -> Ratios:
    """Word errors of the best sequence of each list.

    Args:
      hypotheses: int32 [b, N, T].
      valid: bool [b, N], which of them exist; the first counts in any case.
      references: int32 [b, U].
      exists: bool [b].
      table: what the units are.

    Returns:
      ``oracle_wer`` [].
    """
    errors = errors_of_lists(hypotheses, references, table)
    fewest = tf.reduce_min(tf.where(valid, errors, errors[:, :1]), axis=1)
    words = tf.math.count_nonzero(word_ids(references, table), axis=1)
    return {"oracle_wer": (_sum(fewest, exists), _sum(words, exists))}


def errors_of_lists(
    hypotheses: tf.Tensor, references: tf.Tensor, table: WordTable
) -> tf.Tensor:
    """Word errors of each of N sequences, int32 [b, N]; arguments of `oracle_rate`."""
    count = hypotheses.shape[1]
    length = hypotheses.shape[2] or tf.shape(hypotheses)[2]
    flat = tf.reshape(hypotheses, [-1, length])
    errors = word_errors(flat, repeated(references, count), table)
    return tf.reshape(tf.add_n(list(errors)), [-1, count])


def rates_of_varieties(
    hypotheses: tf.Tensor,
    references: tf.Tensor,
    variety: tf.Tensor,
    num_varieties: int,
    exists: tf.Tensor,
    table: WordTable,
) -> Ratios:
    """Word errors for each word, of each variety by itself.

    Args:
      hypotheses: see `error_rates`.
      references: see `error_rates`.
      variety: int32 [b], that of each utterance.
      num_varieties: K.
      exists: see `error_rates`.
      table: see `error_rates`.

    Returns:
      ``wer_of_variety``, [K].
    """
    errors = tf.add_n(list(word_errors(hypotheses, references, table)))
    words = tf.math.count_nonzero(word_ids(references, table), axis=1)
    of_each = tf.one_hot(variety, num_varieties) * tf.cast(exists, tf.float32)[:, None]

    def summed(counts: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(of_each, tf.cast(counts, tf.float32), transpose_a=True)

    return {WER_OF_VARIETY: (summed(errors), summed(words))}


def varieties_said(units: tf.Tensor, symbols: tf.Tensor) -> tf.Tensor:
    """Which variety's symbol a sequence has: its first.

    Args:
      units: int32 [b, T], nothing counts from `END` on.
      symbols: int32 [K], units that are symbols of varieties.

    Returns:
      float32 [b, K + 1], 1 at one of them, at the last if there is no symbol; as the
      ``logits`` of `tfmodels.metrics.classification.confusion_matrix` it counts which
      variety is taken for which.
    """
    heard = tf.cumsum(tf.cast(units == END, tf.int32), axis=1) == 0
    found = heard[:, :, None] & (units[:, :, None] == symbols)
    there = tf.reduce_any(found, axis=2)
    first = tf.argmax(tf.cast(there, tf.int32), axis=1)
    said = tf.gather(found, first, batch_dims=1)
    none = ~tf.reduce_any(there, axis=1, keepdims=True)
    return tf.cast(tf.concat([said, none], axis=1), tf.float32)


def report_of_varieties(
    totals: Mapping[str, tuple[Any, Any]], names: Sequence[str]
) -> dict[str, float]:
    """What ``wer_of_variety`` says: a figure for each variety, and their plain mean.

    Args:
      totals: sums of `rates_of_varieties`.
      names: K names.

    Returns:
      ``wer/<name>`` of varieties that have words, and ``macro_wer``.
    """
    errors, words = (np.asarray(part, np.float64) for part in totals[WER_OF_VARIETY])
    rates = {
        f"wer/{name}": float(wrong / count)
        for name, wrong, count in zip(names, errors, words, strict=True)
        if count
    }
    return {**rates, "macro_wer": float(np.mean([*rates.values()]))} if rates else {}


def _rates(
    name: str, errors: EditErrors, counts: tf.Tensor, exists: tf.Tensor
) -> Ratios:
    number = _sum(counts, exists)
    kinds = {f"{name}_{kind}": value for kind, value in errors._asdict().items()}
    return {
        part: (_sum(value, exists), number)
        for part, value in {name: tf.add_n(list(errors)), **kinds}.items()
    }


def _sum(values: tf.Tensor, exists: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(values, tf.float32) * tf.cast(exists, tf.float32))
