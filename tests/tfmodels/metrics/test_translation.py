"""BLEU against figures that sacreBLEU publishes, GLEU against values by hand."""

import math
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.metrics.ngrams import bleu_statistics
from tfmodels.metrics.ngrams import sentence_gleu
from tfmodels.metrics.translation import BleuCounts
from tfmodels.metrics.translation import bleu
from tfmodels.metrics.translation import bleu_counts
from tfmodels.metrics.translation import gleu
from tfmodels.metrics.translation import words_13a

# From sacreBLEU's README and its own tests.
HYPOTHESES = [
    "The dog bit the man.",
    "It wasn't surprising.",
    "The man had just bitten him.",
]
REFERENCES = [
    ["The dog bit the man.", "The dog had bit the man."],
    ["It was not unexpected.", "No one was surprised."],
    ["The man bit him first.", "The man had bitten the dog."],
]
# By hand: (hypothesis, reference, shared n-grams, most n-grams of the two).
GLEU = [
    ("the cat sat on the mat", "the cat is on the mat", 9, 18),
    ("the the the", "the cat", 1, 6),
    ("a b", "a b c d e", 3, 14),
    ("a b c d e", "a b c d e", 14, 14),
    ("a a a a", "a a a a a a", 10, 18),
    ("a", "b", 0, 1),
    ("", "a b", 0, 3),
]


def test_published_scores_of_a_corpus():
    counts = bleu_counts(HYPOTHESES, REFERENCES)
    assert counts.hypothesis_length == 17
    assert counts.reference_length == 18
    precisions = np.divide(counts.matches, counts.totals)
    np.testing.assert_allclose(precisions, [0.824, 0.5, 0.455, 0.375], atol=5e-4)
    assert bleu(counts) == pytest.approx(48.53082700992989, abs=1e-9)
    plain = bleu_counts(HYPOTHESES, REFERENCES, "none")
    assert bleu(plain) == pytest.approx(49.1919566, abs=1e-7)


def test_published_counts():
    counts = bleu_counts(
        ["am I am a character sequence"], [["I am a symbol string sequence a a"]]
    )
    assert counts == BleuCounts((4, 2, 1, 0), (6, 5, 4, 3), 6, 8)
    scored = BleuCounts((9, 7, 5, 3), (10, 8, 6, 4), 11, 11)
    assert bleu(scored) == pytest.approx(83.75922397, abs=1e-7)


def test_an_order_without_matches_counts_half_then_a_quarter():
    counts = BleuCounts((3, 2, 0, 0), (5, 4, 3, 2), 5, 6)
    expected = (3 / 5 * 2 / 4 * 0.5 / 3 * 0.25 / 2) ** 0.25 * math.exp(1 - 6 / 5)
    assert bleu(counts) == pytest.approx(100 * expected)


@pytest.mark.parametrize("hypothesis", ["", "nothing alike", "The dog bit"])
def test_no_match_or_no_four_words_score_nothing(hypothesis):
    assert bleu(bleu_counts([hypothesis], [["The dog bit the man."]])) == 0


def test_counts_add_up():
    whole = bleu_counts(HYPOTHESES, REFERENCES)
    first = bleu_counts(HYPOTHESES[:1], REFERENCES[:1])
    assert first.plus(bleu_counts(HYPOTHESES[1:], REFERENCES[1:])) == whole


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world! don't", "Hello , world ! don't"),
        ("3-4 (a) 1,000.5 x.y a/b -c", "3 - 4 ( a ) 1,000.5 x . y a / b -c"),
        ("$5. e.g.,", "$ 5 . e . g . ,"),
        ("&quot;a&quot; &amp;lt; b<skipped>\n", '" a " < b'),
        ("„quot“ … a\u00a0b\u3000c", "„quot“ … a b c"),
    ],
)
def test_words_as_mteval_13a_has_them(text, words):
    assert words_13a(text) == words.split(" ")


def test_a_graph_counts_the_same():
    said = [*HYPOTHESES, "a a a b, 3-4 &amp; 'x' 5.5\u00a0%", "", "é é é"]
    written = [*(r[0] for r in REFERENCES), "a a c b, 3-4 & x' 5.5 %", "a b", "é é"]
    rows = bleu_statistics(tf.constant(said), tf.constant(written)).numpy()
    for row, hypothesis, reference in zip(rows, said, written, strict=True):
        counts = bleu_counts([hypothesis], [[reference]])
        lengths = (counts.hypothesis_length, counts.reference_length)
        assert tuple(row) == (*counts.matches, *counts.totals, *lengths)


@pytest.mark.parametrize(("first", "second", "shared", "most"), GLEU)
def test_gleu(first, second, shared, most):
    assert gleu(first.split(), second.split()) == shared / most
    assert gleu(second.split(), first.split()) == shared / most


def test_gleu_of_nothing_is_none():
    assert gleu([], []) == 0
    empty = tf.zeros([1, 3], tf.int32), tf.zeros([1], tf.int32)
    assert sentence_gleu(*empty, *empty).numpy() == [0]


def padded(random, count, length):
    """Ids of three kinds, and rubbish after the end."""
    return random.integers(1, 4, (count, length)), random.integers(0, length + 1, count)


@pytest.mark.parametrize("compiled", [False, True])
def test_gleu_in_a_graph(compiled):
    random = np.random.default_rng(0)
    first, first_lengths = padded(random, 60, 9)
    second, second_lengths = padded(random, 60, 7)
    compute = tf.function(sentence_gleu, jit_compile=compiled)
    arrays = (first, first_lengths, second, second_lengths)
    found = compute(*(tf.constant(array, tf.int32) for array in arrays))
    assert found.dtype == tf.float32

    def ngrams(row):
        return Counter(
            tuple(row[i:j])
            for i in range(len(row))
            for j in range(i + 1, min(i + 4, len(row)) + 1)
        )

    for row in range(60):
        said = ngrams(first[row, : first_lengths[row]].tolist())
        written = ngrams(second[row, : second_lengths[row]].tolist())
        most = max(said.total(), written.total(), 1)
        expected = (said & written).total() / most
        assert found[row].numpy() == pytest.approx(expected, abs=1e-6)


def test_gleu_in_a_graph_of_sequences_shorter_than_four():
    one = tf.constant([[7], [8]])
    lengths = tf.constant([1, 1])
    other = tf.constant([[7, 7], [7, 7]])
    found = sentence_gleu(one, lengths, other, tf.constant([2, 1]))
    np.testing.assert_allclose(found, [1 / 3, 0])
