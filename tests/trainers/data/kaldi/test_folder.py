"""Kaldi's data folders."""

import dataclasses

import pytest

from tfmodels.errors import DataError
from trainers.data.kaldi.folder import Utterance
from trainers.data.kaldi.folder import read_folder
from trainers.data.kaldi.folder import write_folder

PARTS = (
    Utterance("u1", "s1", ("one", "two"), "r1", "/audio/one file.wav", (0.0, 1.25)),
    Utterance("u2", "s2", (), "r1", "/audio/one file.wav", (1.5, 2.0)),
    Utterance("u3", "s2", ("one",), "r2", "r2.wav", (0.1, 0.2)),
)
WHOLE = tuple(
    dataclasses.replace(part, recording=part.name, span=None) for part in PARTS
)


@pytest.mark.parametrize("utterances", [PARTS, WHOLE], ids=["parts", "whole"])
def test_round_trip(tmp_path, utterances):
    write_folder(tmp_path, utterances[::-1])
    assert (tmp_path / "segments").is_file() == (utterances is PARTS)
    assert read_folder(tmp_path) == utterances


def test_files_are_those_of_kaldi(tmp_path):
    write_folder(tmp_path, PARTS)
    assert (tmp_path / "wav.scp").read_text() == "r1 /audio/one file.wav\nr2 r2.wav\n"
    assert (tmp_path / "text").read_text() == "u1 one two\nu2\nu3 one\n"
    assert (tmp_path / "utt2spk").read_text() == "u1 s1\nu2 s2\nu3 s2\n"
    assert (tmp_path / "segments").read_text().startswith("u1 r1 0.0 1.25\n")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("wav.scp", "r1 sox a.flac -t wav - |\nr2 r2.wav\n", "line 1.*a file"),
        ("wav.scp", "r1 a.wav\nr1 b.wav\n", "line 2.*once"),
        ("wav.scp", "r1\n", "line 1"),
        ("segments", "u1 r9 0 1\n", "line 1.*recording of wav.scp"),
        ("segments", "u1 r1 2 1\n", "line 1.*begin < end"),
        ("segments", "u1 r1 x 1\n", "line 1.*numbers"),
        ("text", "u1 a\nu2 b\n", "u3 in one"),
        ("utt2spk", "u1 s\nu2 s\nu3 s\nu4 s\n", "u4 in one"),
        ("utt2spk", "u1 s\nu2 s t\nu3 s\n", "line 2.*speaker"),
    ],
)
def test_damaged_folders(tmp_path, file, text, message):
    write_folder(tmp_path, PARTS)
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_folder(tmp_path)
    assert str(tmp_path / file) in str(error.value)


def test_what_folders_cannot_hold(tmp_path):
    with pytest.raises(DataError, match="u3 without"):
        write_folder(tmp_path, [*PARTS[:2], WHOLE[2]])
    with pytest.raises(DataError, match="u3 without"):
        write_folder(tmp_path, [dataclasses.replace(PARTS[2], span=None)])
    with pytest.raises(DataError, match=r"wav\.scp cannot be read"):
        read_folder(tmp_path / "absent")
