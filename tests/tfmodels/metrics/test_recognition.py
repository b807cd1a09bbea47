"""Figures of recognisers by hand: rates, oracles, varieties, and that sums add up."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.metrics.test_words import ascii_table
from tests.tfmodels.metrics.test_words import spelled
from tfmodels.decoding.step import END
from tfmodels.metrics.classification import confusion_matrix
from tfmodels.metrics.recognition import error_rates
from tfmodels.metrics.recognition import oracle_rate
from tfmodels.metrics.recognition import rates_of_varieties
from tfmodels.metrics.recognition import report_of_varieties
from tfmodels.metrics.recognition import varieties_said

WRITTEN = spelled(["three red pigs", "one two", "one", "never"], 16)
SAID = spelled(["two pigs", "one two", "one one", "counted at all"], 15)
EXISTS = tf.constant([True, True, True, False])


def test_rates_by_hand() -> None:
    found = error_rates(SAID, WRITTEN, EXISTS, ascii_table())
    counts = {name: (float(a), float(b)) for name, (a, b) in found.items()}
    assert counts["wer"] == (3, 6)
    assert counts["wer_substitutions"] == (1, 6)
    assert counts["wer_insertions"] == (1, 6)
    assert counts["wer_deletions"] == (1, 6)
    assert counts["ser"] == (2, 3)
    # "two pigs" is 8 from "three red pigs", which has 14; the others 0 and 4.
    assert counts["cer"] == (8 + 4, 14 + 7 + 3)
    parts = [
        error_rates(SAID[part], WRITTEN[part], EXISTS[part], ascii_table())
        for part in (slice(0, 1), slice(1, 4))
    ]
    for name, whole in counts.items():
        summed = tuple(
            float(a + b) for a, b in zip(*(p[name] for p in parts), strict=True)
        )
        assert summed == whole, name


def test_oracle_is_the_best_of_what_there_is() -> None:
    lists = tf.stack([SAID, tf.roll(SAID, 1, 0), WRITTEN[:, :15]], axis=1)
    everything = tf.ones([4, 3], tf.bool)
    whole = oracle_rate(lists, everything, WRITTEN, EXISTS, ascii_table())
    assert [float(part) for part in whole["oracle_wer"]] == [0, 6]
    two = oracle_rate(
        lists, everything & [True, True, False], WRITTEN, EXISTS, ascii_table()
    )
    # The third best of "one" is "one two", no better than "one one".
    assert float(two["oracle_wer"][0]) == 3


def test_varieties_by_themselves_and_their_mean() -> None:
    found = rates_of_varieties(
        SAID, WRITTEN, tf.constant([2, 2, 0, 1]), 3, EXISTS, ascii_table()
    )
    errors, words = found["wer_of_variety"]
    assert errors.numpy().tolist() == [1, 0, 2]
    assert words.numpy().tolist() == [1, 0, 5]
    report = report_of_varieties(found, ["gb", "us", "in"])
    assert report == {
        "wer/gb": 1.0,
        "wer/in": pytest.approx(0.4),
        "macro_wer": pytest.approx(0.7),
    }


def test_which_variety_is_taken_for_which() -> None:
    units = tf.constant(
        [[7, 4, END, 5], [5, 4, 7, END], [7, END, 4, 4], [4, END, 0, 0]]
    )
    said = varieties_said(units, tf.constant([4, 5]))
    assert said.numpy().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    counts, _ = confusion_matrix(
        said, tf.constant([0, 0, 1, 1]), tf.constant([1.0] * 4)
    )
    np.testing.assert_array_equal(counts[:2], [[1, 1, 0], [1, 0, 1]])
