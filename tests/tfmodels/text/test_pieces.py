"""Where texts are cut, beside cuts made by hand."""

import pytest

from tfmodels.text.pieces import cut

CASES = {
    "sentences": ("Hi. You 3.5 too! End", 99, ["Hi.", "You 3.5 too!", "End"]),
    "clauses before words": ("one, two three", 9, ["one,", "two three"]),
    "words": ("one two three", 9, ["one two", "three"]),
    "a word that fills it": ("seven eight", 5, ["seven", "eight"]),
    "no spaces": ("abcdefg", 3, ["abc", "def", "g"]),
    "chinese": (
        "\u4f60\u597d\u3002\u518d\u89c1",
        9,
        ["\u4f60\u597d\u3002", "\u518d\u89c1"],
    ),
    "nothing": ("  ", 9, []),
    "lines": ("a\nb", 9, ["a", "b"]),
}


@pytest.mark.parametrize("name", CASES)
def test_cuts(name):
    text, most, expected = CASES[name]
    assert [text[a:b] for a, b, _ in cut(text, most)] == expected


def test_every_word_is_there_once_and_no_piece_is_too_large():
    text = "Aa bb, cc dd ee; ff gg. " * 40 + "h" * 70
    found = cut(text, 11)
    joined = "".join(text[a:b] for a, b, _ in found)
    assert joined.replace(" ", "") == text.replace(" ", "")
    assert max(b - a for a, b, _ in found) == 11


def test_sizes_and_pauses():
    # Bytes of characters: a letter with an accent counts twice.
    text = "\u00e9\u00e9 \u00e9\u00e9, a."
    found = cut(text, 6, [len(each.encode()) for each in text])
    assert [text[a:b] for a, b, _ in found] == ["\u00e9\u00e9", "\u00e9\u00e9,", "a."]
    assert [pause for *_, pause in found] == [0.0, 0.15, 0.3]
