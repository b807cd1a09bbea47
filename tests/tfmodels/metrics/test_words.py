"""Word and character errors of units against strings, a plain table, and jiwer."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.decoding.step import END
from tfmodels.metrics.edit_distance import weighted_distance
from tfmodels.metrics.words import WordTable
from tfmodels.metrics.words import character_errors
from tfmodels.metrics.words import word_counts
from tfmodels.metrics.words import word_errors
from tfmodels.metrics.words import word_ids

LENGTH = 14
# What units mean; nothing is heard of the first three and of the varieties.
GRAPHEMES = ["", "", "", "?", "", "", " ", "a", "b"]
PIECES = ["", "", "", "?", "", "", " a", " b", "a", "b", " ab"]


def text(ids: np.ndarray, units: list[str]) -> str:
    ids = ids.tolist()
    heard = ids[: ids.index(END)] if END in ids else ids
    return "".join(units[number] for number in heard)


def least(said: list[list[Any]], written: list[list[Any]]) -> np.ndarray:
    """Substitutions, insertions, deletions of the best ways, by the plain table."""
    numbers: dict[Any, int] = {}
    rows, columns = (max(map(len, each)) for each in (said, written))
    first, second = (
        np.array(
            [
                [numbers.setdefault(token, len(numbers)) for token in tokens]
                + [-1] * (size - len(tokens))
                for tokens in each
            ]
        ).reshape(len(each), size)
        for each, size in ((said, rows), (written, columns))
    )
    # Errors, and thousandths for those that are substitutions.
    costs = np.zeros([len(said), rows + 1, columns + 1])
    costs[:, :, 0], costs[:, 0, :] = np.arange(rows + 1), np.arange(columns + 1)
    for i in range(rows):
        for j in range(columns):
            unlike = 1.001 * (first[:, i] != second[:, j])
            ways = [costs[:, i, j] + unlike, costs[:, i, j + 1] + 1]
            costs[:, i + 1, j + 1] = np.minimum.reduce([*ways, costs[:, i + 1, j] + 1])
    lengths = [np.array([*map(len, each)]) for each in (said, written)]
    best = costs[np.arange(len(said)), lengths[0], lengths[1]]
    errors = np.floor(best + 1e-6).astype(int)
    replaced = np.rint((best - errors) * 1000).astype(int)
    added = (errors - replaced + lengths[0] - lengths[1]) // 2
    return np.stack([replaced, added, errors - replaced - added], axis=1)


@pytest.mark.parametrize(("units", "compiled"), [(GRAPHEMES, False), (PIECES, True)])
def test_units_are_the_words_that_their_text_splits_into(
    units: list[str], compiled: bool
) -> None:
    random, count = np.random.default_rng(0), 10_000
    pairs = random.integers(1, len(units), (2, count, LENGTH)).astype(np.int32)
    # All lengths from 0; what follows the end is anything.
    pairs[pairs == END] = 3
    ends = random.integers(0, LENGTH + 1, (2, count, 1))
    pairs[np.arange(LENGTH) == ends] = END
    # Sizes are known in one of the two.
    spec = None if compiled else [tf.TensorSpec([None, None], tf.int32)] * 2
    run = tf.function(
        lambda first, second: (
            word_errors(first, second, WordTable(units)),
            character_errors(first, second, WordTable(units)),
        ),
        input_signature=spec,
        autograph=False,
        jit_compile=compiled,
    )
    words, characters = run(*map(tf.constant, pairs))
    texts = [[text(ids, units) for ids in side] for side in pairs]
    said, written = ([line.split() for line in side] for side in texts)
    assert {0, 1, 5} <= {len(line) for line in said}
    np.testing.assert_array_equal(np.stack(words, 1), least(said, written))
    counts = word_counts(pairs[0], WordTable(units))
    np.testing.assert_array_equal(counts, [len(line) for line in said])
    said, written = ([[*" ".join(line)] for line in side] for side in (said, written))
    np.testing.assert_array_equal(np.stack(characters, 1), least(said, written))


# Characters as their own units.
ASCII = [chr(number) if number >= 32 else "" for number in range(128)]


def spelled(lines: list[str], length: int) -> tf.Tensor:
    ids = np.zeros([len(lines), length], np.int32)
    for row, line in enumerate(lines):
        ids[row, : len(line) + 1] = [*map(ord, line), END]
    return tf.constant(ids)


def ascii_table() -> WordTable:
    return WordTable(ASCII)


def test_words_by_hand() -> None:
    cases = [
        ("one two", "one two", (0, 0, 0)),
        ("two pigs", "three pink pigs", (1, 0, 1)),
        ("", "three four five", (0, 0, 3)),
        ("one two", "", (0, 2, 0)),
        # A wrong letter is a word; a missing space is two.
        ("nine", "none", (1, 0, 0)),
        ("ab", "a b", (1, 0, 1)),
        ("  one   two ", "one two", (0, 0, 0)),
    ]
    said, written, errors = zip(*cases, strict=True)
    found = word_errors(spelled([*said], 16), spelled([*written], 16), ascii_table())
    np.testing.assert_array_equal(np.stack(found, axis=1), errors)


def test_symbols_of_varieties_never_count() -> None:
    plain, marked = [[7, 8, 6, 7, END, 0]], [[4, 7, 5, 8, 6, 7]]
    found = word_errors(tf.constant(marked), tf.constant(plain), WordTable(GRAPHEMES))
    assert not np.any(found)
    spelled = character_errors(
        tf.constant(marked), tf.constant(plain), WordTable(GRAPHEMES)
    )
    assert not np.any(spelled)


def test_numbers_of_words_differ_as_words_do() -> None:
    units = np.random.default_rng(1).integers(7, 9, (5000, 12)).astype(np.int32)
    numbers = word_ids(tf.constant(units), WordTable(GRAPHEMES)).numpy()
    assert not numbers[:, :-1].any()
    distinct = len(np.unique(units, axis=0))
    assert len(np.unique(numbers[:, -1])) == distinct > 2500


def test_weighted_words_against_trying_everything() -> None:
    def cost(said: tuple[int, ...], written: tuple[int, ...]) -> float:
        if not said or not written:
            return sum(weights[token] for token in said + written)
        swap = max(weights[said[0]], weights[written[0]])
        return min(
            cost(said[1:], written[1:]) + (said[0] != written[0]) * swap,
            cost(said[1:], written) + weights[said[0]],
            cost(said, written[1:]) + weights[written[0]],
        )

    weights = np.array([0.0, 1.0, 3.0, 0.25], np.float32)
    random = np.random.default_rng(2)
    said, written = random.integers(0, 4, (2, 30, 5)).astype(np.int32)
    found = weighted_distance(said, written, weights[said], weights[written])
    expected = [
        cost(tuple(one[one > 0]), tuple(two[two > 0]))
        for one, two in zip(said, written, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_errors_of_texts_are_those_of_jiwer() -> None:
    jiwer = pytest.importorskip("jiwer")
    random = np.random.default_rng(3)
    lines = [
        " ".join(
            random.choice(["one", "two", "to", "nine", "o"], random.integers(1, 8))
        )
        for _ in range(400)
    ]
    said, written = lines[:200], lines[200:]
    ids = spelled(said, 36), spelled(written, 36)
    # Of ways with equally many errors it may take another one.
    words = int(tf.reduce_sum(word_errors(*ids, ascii_table())))
    number = sum(len(line.split()) for line in written)
    assert jiwer.wer(written, said) == pytest.approx(words / number)
    letters = int(tf.reduce_sum(character_errors(*ids, ascii_table())))
    assert jiwer.cer(written, said) == pytest.approx(letters / sum(map(len, written)))
