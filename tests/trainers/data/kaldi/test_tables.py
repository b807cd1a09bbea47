"""Symbol tables, lexicons, alignments and counts, to files and back."""

import numpy as np
import pytest

from tfmodels.errors import DataError
from tfmodels.lattices.lexicon import PhoneSet
from trainers.data.kaldi import tables

PHONES = PhoneSet.create(["SIL", "AH", "B"], "SIL")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "file.txt"


def test_symbols(file):
    file.write_text("<eps> 0\nSIL\t1\n\nAH 2\n")
    assert tables.read_symbols(file) == ("<eps>", "SIL", "AH")
    tables.write_symbols(file, ("<eps>", "a", "é"))
    assert file.read_text(encoding="utf-8") == "<eps> 0\na 1\né 2\n"
    assert tables.read_symbols(file) == ("<eps>", "a", "é")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<eps> 0\na\n", "line 2, is damaged. Expected a name and its number"),
        ("<eps> 0\na one\n", "line 2.*whole numbers"),
        ("<eps> 0\na 1\na 2\n", "line 3.*new"),
        ("<eps> 0\na 1\nb 1\n", "line 3.*new"),
        ("<eps> 0\na 2\n", "numbers 0 to 1"),
        ("a 0\nb 1\n", "number 0 being <eps>"),
        ("", "not a table"),
    ],
)
def test_damaged_symbols(file, text, message):
    file.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        tables.read_symbols(file)
    assert str(file) in str(error.value)


def test_lexicon(file):
    text = "A AH\nAB AH B\nA B AH\n"
    file.write_text(text)
    lexicon = tables.read_lexicon(file, PHONES)
    assert lexicon.words == ("<eps>", "A", "AB")
    assert lexicon.pronunciations == ((), ((2,), (3, 2)), ((2, 3),))
    tables.write_lexicon(file, lexicon)
    assert sorted(file.read_text().splitlines()) == sorted(text.splitlines())
    again = tables.read_lexicon(file, PHONES)
    assert again.pronunciations == lexicon.pronunciations
    for line in ("A", "A XX"):
        file.write_text(f"A AH\n{line}\n")
        with pytest.raises(DataError, match=r"line 2.*known phones"):
            tables.read_lexicon(file, PHONES)


def test_phone_classes(file):
    file.write_text("AH vowel back\nB stop voiced\nEH vowel\n")
    assert tables.read_phone_classes(file) == {
        "vowel": ("AH", "EH"),
        "back": ("AH",),
        "stop": ("B",),
        "voiced": ("B",),
    }
    file.write_text("AH vowel\nAH back\n")
    with pytest.raises(DataError, match=r"line 2.*once"):
        tables.read_phone_classes(file)


def test_alignments(file):
    file.write_text("u1 3 3 4 \nu2 0\nu3\n")
    found = dict(tables.read_alignments(file))
    assert {key: value.tolist() for key, value in found.items()} == {
        "u1": [3, 3, 4],
        "u2": [0],
        "u3": [],
    }
    tables.write_alignments(file, found)
    again = dict(tables.read_alignments(file))
    for name, value in found.items():
        np.testing.assert_array_equal(again[name], value)
        assert again[name].dtype == np.int32


@pytest.mark.parametrize("line", ["u2 1 x", "u2 1 2.5", "u2 -1", "u1 1"])
def test_damaged_alignments(file, line):
    file.write_text(f"u1 1 2\n{line}\n")
    with pytest.raises(DataError, match="line 2"):
        list(tables.read_alignments(file))


def test_counts(file):
    file.write_text(" [ 12 0 7.0 ]\n")
    assert tables.read_counts(file).tolist() == [12, 0, 7]
    tables.write_counts(file, np.array([5, 6]))
    assert file.read_text() == "[ 5 6 ]\n"
    assert tables.read_counts(file).tolist() == [5, 6]


@pytest.mark.parametrize("text", ["", "1 2", "[ 1 2", "[ ]", "[ 1 ]\n[ 2 ]", "[ -1 ]"])
def test_damaged_counts(file, text):
    file.write_text(text)
    with pytest.raises(DataError, match="Expected"):
        tables.read_counts(file)


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        tables.read_symbols(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"\0B\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        tables.read_symbols(tmp_path / "binary")
