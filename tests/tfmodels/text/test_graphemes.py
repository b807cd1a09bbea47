"""The table of graphemes: its layout by hand, and the same in graphs as in Python."""

import json
import re
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.errors import DataError
from tfmodels.metrics.words import WordTable
from tfmodels.metrics.words import word_errors
from tfmodels.text.graphemes import END
from tfmodels.text.graphemes import UNKNOWN
from tfmodels.text.graphemes import Graphemes
from tfmodels.text.graphemes import Variety
from tfmodels.text.graphemes import build_graphemes
from tfmodels.text.graphemes_in_graph import GraphGraphemes

ENGLISH = "zero one two three four five six seven eight nine"
ARABIC = "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة"
VARIETIES = (
    Variety("en-us", "en"),
    Variety("en-gb", "en"),
    Variety("ar", "ar"),
    Variety("de", "de", lower_case=False),
)
LINES = (
    "Seven TWO",
    "  سبعة\tاثنان \u00a0 \u2003",  # noqa: RUF001
    "سبعة اثنان\u2028three",
    "cafe\u0301 naïve Ångström",
    "Straße ÄÖÜ İstanbul ΟΔΟΣ",
    "two\u0085three\x1cfour\x0bfive",
    "emoji 🎉 and \ufffd",
    "\u0623\u0631\u0628\u0639\u0629 \u0627\u0654\u0631\u0628\u0639\u0629",
    "",
    "   ",
)


@pytest.fixture(scope="module")
def graphemes() -> Graphemes:
    texts = [("en", "hi café ss"), ("en", ENGLISH), ("ar", ARABIC), ("de", "Straße Ä")]
    return build_graphemes(VARIETIES, texts)


@pytest.fixture(scope="module")
def in_graph(graphemes: Graphemes) -> GraphGraphemes:
    return GraphGraphemes(graphemes)


def test_layout() -> None:
    table = build_graphemes(VARIETIES[:2], [("en", "hi no")])
    assert table.names == (
        *("<pad>", "<sos>", "<eos>", "<unk>", "<en-us>", "<en-gb>", "<space>"),
        *"hino",
    )
    assert table.size == 11
    assert table.label("Hi", "en-gb") == [7, 8, 5, 2]
    assert table.label("Hi", "en-gb", "begin") == [5, 7, 8, 2]
    assert table.label("hi no", "en-us", "none") == [7, 8, 6, 9, 10, 2]
    assert table.encode("hix", "en-us") == [7, 8, UNKNOWN]
    assert list(np.flatnonzero(table.is_space)) == [6]
    assert list(np.flatnonzero(table.is_special)) == [0, 1, 2, 4, 5]
    with pytest.raises(DataError, match=r"en-nz.*Expected one of en-us, en-gb"):
        table.encode("hi", "en-nz")


def test_symbols_say_nothing_in_either_place() -> None:
    table = build_graphemes(VARIETIES[:2], [("en", "hi no")])
    for place, found in (("begin", 1), ("end", 1), ("none", None)):
        label = table.label("hi no", "en-gb", place)
        assert table.decode([*label, 7, 7]) == "hi no"
        assert table.variety_of([*label, 4]) == found


def test_pieces_of_words() -> None:
    """The most frequent neighbours, and always the longest unit that fits."""
    texts = [("en", "two seven seven eleven"), ("ar", "سبعة سبعة")]
    table = build_graphemes(VARIETIES[:3], texts, 9)
    characters = build_graphemes(VARIETIES[:3], texts)
    # What is there three times; twice; once. Of equals the first by code points.
    latin = ("en", "ev", "even", "seven"), ("el", "eleven")
    assert table.pieces == (*latin[0], "بع", "بعة", "سبعة", *latin[1])
    assert table.size == characters.size + len(table.pieces) == characters.size + 9
    assert table.names[: characters.size] == characters.names
    units = sorted(table.ids, key=len, reverse=True)
    for text in ("seven two", "eleveneve tw", "سبعة", "s"):
        found = table.encode(f" {text.upper()}  ", "en-gb")
        assert [table.names[n].replace("<space>", " ") for n in found] == re.findall(
            "|".join(units), text
        )
        assert table.decode([*found, END]) == text
        assert len(characters.encode(text, "en-gb")) == len(text)
    assert len(table.encode("seven", "en-us")) == 1
    assert table.encode("xeven", "en-us")[0] == UNKNOWN
    allowed = np.flatnonzero(table.mask(["ar"])[table.space + 1 :])
    said = {(*table.characters, *table.pieces)[n] for n in allowed}
    assert "سبعة" in said
    assert set("".join(said)) == set("سبعة")
    assert Graphemes.from_plain(json.loads(json.dumps(table.plain()))) == table
    # Words are what their text is, whatever their units.
    written = table.label("seven two", "en-us")
    spelled = characters.label("seven two", "en-us")
    assert written != spelled
    errors = word_errors(
        *(tf.constant([ids]) for ids in (written, spelled)), WordTable(table.surfaces)
    )
    assert not np.any(errors)


def test_union_of_english_and_arabic_digits() -> None:
    digits = [("en", ENGLISH), ("ar", ARABIC)]
    table = build_graphemes([Variety("ar", "ar"), Variety("en", "en")], digits)
    assert len(table.alphabets["en"]) == 15
    assert len(table.alphabets["ar"]) == 19
    assert len(table.characters) == 34
    assert table.size == 4 + 2 + 1 + 34


@pytest.mark.parametrize("variety", range(len(VARIETIES)))
def test_graphs_compute_the_same(graphemes, in_graph, variety) -> None:
    name = VARIETIES[variety].name
    numbers = tf.fill([len(LINES)], variety)
    found = in_graph.encode(tf.constant(LINES), numbers)
    wanted = [graphemes.encode(line, name) for line in LINES]
    assert found.to_list() == wanted
    rows = [[*graphemes.label(line, name), 9, 5] for line in LINES]
    ids = tf.ragged.constant(rows, tf.int32).to_tensor()
    texts = [text.decode() for text in in_graph.decode(ids).numpy()]
    assert texts == [graphemes.decode(row) for row in rows]
    assert list(in_graph.variety_of(ids).numpy()) == [variety] * len(LINES)
    plain = [graphemes.label(line, name, "none") for line in LINES]
    ids = tf.ragged.constant(plain, tf.int32).to_tensor()
    assert set(in_graph.variety_of(ids).numpy()) == {-1}


def test_texts_come_back(graphemes) -> None:
    for text in ("seven two", "سبعة اثنان", "straße"):
        assert graphemes.decode(graphemes.encode(text, "en-us")) == text
    assert graphemes.decode(graphemes.encode("Straße", "de")) == "Straße"
    decomposed = unicodedata.normalize("NFD", "café")
    assert graphemes.decode(graphemes.encode(decomposed, "en-us")) == "café"
    assert graphemes.decode(graphemes.encode("x🎉x", "en-us")) == "x\ufffdx"


def test_masks_have_the_letters_of_their_languages_only(graphemes) -> None:
    allowed = [graphemes.names[n] for n in np.flatnonzero(graphemes.mask(["ar"]))]
    assert allowed[:3] == ["<eos>", "<ar>", "<space>"]
    assert "".join(allowed[3:]) == "".join(sorted(set(ARABIC) - {" "}))
    both = graphemes.mask(["ar", "en-gb"])
    assert both[graphemes.ids["z"]]
    assert both[END]
    assert not both[UNKNOWN]
    assert not both[graphemes.symbol(0)]


def test_files(graphemes) -> None:
    text = json.dumps(graphemes.plain())
    assert Graphemes.from_plain(json.loads(text)) == graphemes
    for damage in (
        {},
        {"varieties": [], "alphabets": {}},
        {"varieties": [{"name": 1}]},
    ):
        with pytest.raises(DataError, match="no table of graphemes"):
            Graphemes.from_plain(damage)
    without = {**graphemes.plain(), "alphabets": {"en": "abc"}}
    with pytest.raises(DataError, match="no table of graphemes"):
        Graphemes.from_plain(without)
