"""Symbols of synthesis: ids of the specification, tones of eSpeak NG's mnemonics."""

import pytest
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.text.mnemonics import parse_mnemonics
from tfmodels.text.symbols import END
from tfmodels.text.symbols import UNKNOWN
from tfmodels.text.symbols import Symbols
from tfmodels.text.symbols import build_symbols
from tfmodels.text.symbols_in_graph import GraphSymbols


def test_bytes():
    table = build_symbols("bytes", [])
    assert table.size == 258
    assert [n - 2 for n in table.encode("né").ids[:-1]] == [110, 195, 169]
    assert [n - 2 for n in table.encode("你").ids[:-1]] == [228, 189, 160]


def test_characters_of_all_languages():
    table = build_symbols("characters", ["Ab  a", "né"])
    assert table.inventory == (" ", "a", "b", "n", "é")
    found = table.encode("Na?")
    assert found.ids == (6, 4, UNKNOWN, END)
    assert found.unknown == ("?",)
    assert set(found.tones) == {0}
    assert Symbols.from_plain(table.plain()) == table


@pytest.mark.parametrize("kind", ["characters", "bytes"])
@pytest.mark.parametrize("lower_case", [True, False])
def test_graphs_say_the_same(kind, lower_case):
    texts = ["Aé  b", "", "ne\u0301\u3000A", "\u4f60?", "\u0130"]
    table = build_symbols(kind, texts[:3], lower_case)
    found = GraphSymbols(table).encode(tf.constant(texts)).to_list()
    assert found == [list(table.encode(text).ids) for text in texts]


def test_no_phonemes_in_graphs():
    with pytest.raises(ConfigError, match="phonemes"):
        GraphSymbols(build_symbols("phonemes", [("a",)]))


def test_tables_and_tones_that_are_damaged():
    with pytest.raises(DataError, match="no table of symbols"):
        Symbols.from_plain({"kind": "runes", "inventory": [], "lower_case": True})
    table = build_symbols("phonemes", [("m", "A")])
    assert table.encode(("m", "A"), (1, 1)).tones == (1, 1, 0)
    for tones in ((1,), (1, 7)):
        with pytest.raises(DataError, match="do not fit"):
            table.encode(("m", "A"), tones)


def test_five_tones_are_five():
    texts = ("m_'A55__|", "m_'A35__|", "m_'A214__|", "m_'A51__|", "m_'A11__|")
    found = [parse_mnemonics([("ma", text)], tonal=True) for text in texts]
    assert [each.tones for each in found] == [(t, t) for t in (1, 2, 3, 4, 0)]
    assert {each.names for each in found} == {("m", "A")}


def test_a_tone_reaches_its_syllable_and_no_other():
    spelled = "l_'A35_N__| s._'a55_n_i51__|"
    found = parse_mnemonics([("lang2 sha1ni4", spelled)], tonal=True)
    assert found.names == ("l", "A", "N", " ", "s.", "a", "n", "i")
    assert found.tones == (2, 2, 2, 0, 1, 1, 4, 4)


def test_stress_punctuation_and_markers():
    clauses = [("Hello, w", "h_@_l_'oU"), ("orld", "(es)_w_,3:_l_d_(en)")]
    found = parse_mnemonics(clauses)
    assert found.names == ("h", "@", "l", "oU", ",", " ", "w", "3:", "l", "d")
    assert found.tones == (0, 0, 0, 5, 0, 0, 0, 6, 0, 0)
    assert found.is_spoken == (*[True] * 4, False, False, *[True] * 4)


def test_texts_without_words_and_unknown_tones():
    with pytest.raises(DataError, match="nothing to say"):
        parse_mnemonics([("...", "")])
    with pytest.raises(DataError, match="tone of"):
        parse_mnemonics([("ma", "m_A53")], tonal=True)
