"""Manifests of published corpora, from trees of made-up files."""

import importlib.util
import wave
from collections import Counter

import pytest

from tfmodels.errors import DataError
from trainers.data.speech.manifest import Utterance
from trainers.data.speech.manifest import read_manifest
from trainers.data.speech.manifest import write_manifest
from trainers.data.speech.published.common_voice import common_voice
from trainers.data.speech.published.common_voice import read_accents
from trainers.data.speech.published.espeak import VOICES
from trainers.data.speech.published.espeak import speak
from trainers.data.speech.published.librispeech import SIZES
from trainers.data.speech.published.librispeech import librispeech
from trainers.data.speech.published.speech_commands import speech_commands
from trainers.data.speech.published.speech_commands import which_split


def write_chapter(root, part, speaker, chapter, count) -> None:
    folder = root / part / str(speaker) / str(chapter)
    folder.mkdir(parents=True)
    lines = []
    for number in range(count):
        name = f"{speaker}-{chapter}-{number:04d}"
        (folder / f"{name}.flac").touch()
        lines.append(f"{name} IT'S NUMBER {number}")
    table = folder / f"{speaker}-{chapter}.trans.txt"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_librispeech_counts(tmp_path) -> None:
    held_out = {part: size for part, size in SIZES.items() if "train" not in part}
    for part, size in held_out.items():
        write_chapter(tmp_path, part, 84, 121123, size)
    found = librispeech(tmp_path)
    assert Counter(utterance.split for utterance in found) == held_out
    assert sum(SIZES[p] for p in SIZES if p.startswith("train")) == 281_241


def test_librispeech(tmp_path) -> None:
    root = tmp_path / "LibriSpeech"
    write_chapter(root, "dev-clean", 84, 121123, 3)
    write_chapter(root, "train-clean-100", 19, 198, 2)
    found = librispeech(tmp_path)
    assert [u.split for u in found] == ["train-clean-100"] * 2 + ["dev-clean"] * 3
    last = found[-1]
    assert last.utt == "84-121123-0002"
    assert (last.text, last.speaker, last.lang) == ("IT'S NUMBER 2", "84", "en")
    assert last.audio == str(root / "dev-clean/84/121123/84-121123-0002.flac")
    (root / "dev-clean/84/121123/84-121123-0001.flac").unlink()
    with pytest.raises(DataError, match=r"not whole.*84-121123-0001"):
        librispeech(tmp_path)
    with pytest.raises(DataError, match=r"is not LibriSpeech.*--source"):
        librispeech(tmp_path / "nowhere")


HEADER = "client_id\tpath\tsentence\tup_votes\taccents\tlocale\tsegment"


def write_tables(folder, header=HEADER) -> None:
    folder.mkdir()
    rows = {
        "train": [
            'a\tt1.mp3\tHe said "no\t2\tUnited States English\ten\t',
            "b\tt2\t\"quoted\" and 'more'\t2\tEngland English\ten\t",
            "c\tt3.mp3\tthree\t2\tMartian\ten\t",
            "d\tt4.mp3\tfour\t2\tEngland English\ten\t",
        ],
        "dev": ["e\td1.mp3\tfive\t2\tEngland English\ten\t"],
        "test": [
            "d\te1.mp3\tsix\t2\tEngland English\ten\t",
            "f\te2.mp3\tseven\t2\t\ten\t",
        ],
    }
    for name, lines in rows.items():
        text = "\n".join([header, *lines]) + "\n"
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")


def test_common_voice(tmp_path) -> None:
    folder = tmp_path / "en"
    write_tables(folder)
    table = tmp_path / "accents.csv"
    table.write_text(
        "accent,dialect\nUnited States English,en-us\nEngland English,en-gb\n,en\n",
        encoding="utf-8",
    )
    found = common_voice(folder, read_accents(table))
    by_name = {utterance.utt: utterance for utterance in found.utterances}
    # Speaker d is held out, so what else they say is left out.
    assert by_name.keys() == {"t1", "t2", "d1", "e1", "e2"}
    assert found.in_several_splits == 1
    assert found.unknown_accents == {"Martian": 1}
    assert by_name["t1"].text == 'He said "no'
    assert by_name["t2"].text == "\"quoted\" and 'more'"
    assert by_name["t2"].audio == str(folder / "clips" / "t2.mp3")
    dialects = {name: u.dialect for name, u in by_name.items()}
    assert dialects == {
        "t1": "en-us",
        "t2": "en-gb",
        "d1": "en-gb",
        "e1": "en-gb",
        "e2": "en",
    }
    assert {u.split for u in found.utterances} == {"train", "validation", "test"}
    speakers: dict[str, set[str]] = {}
    for utterance in found.utterances:
        speakers.setdefault(utterance.speaker, set()).add(utterance.split)
    assert all(len(splits) == 1 for splits in speakers.values())


def test_common_voice_with_fewer_columns(tmp_path) -> None:
    folder = tmp_path / "cy"
    write_tables(folder, HEADER.replace("accents\tlocale\tsegment", "accent"))
    found = common_voice(folder)
    assert {u.dialect for u in found.utterances} == {"cy"}
    assert not found.unknown_accents
    (folder / "dev.tsv").write_text("client_id\tpath\nx\ty\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"dev.tsv.*client_id, path, sentence"):
        common_voice(folder)
    (folder / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"dev.tsv.*--source"):
        common_voice(folder)
    with pytest.raises(DataError, match=r"accents.*--accents"):
        read_accents(folder / "train.tsv")


def test_speech_commands(tmp_path) -> None:
    names = [f"{n:08x}_nohash_{k}.wav" for n in range(40) for k in range(2)]
    for word in ("yes", "bed", "_background_noise_"):
        (tmp_path / word).mkdir()
        for name in names:
            (tmp_path / word / name).touch()
    found = speech_commands(tmp_path)
    assert len(found) == 160
    assert {u.text for u in found} == {"yes", "bed"}
    splits: dict[str, set[str]] = {}
    for utterance in found:
        splits.setdefault(utterance.speaker, set()).add(utterance.split)
    assert all(len(split) == 1 for split in splits.values())
    counts = Counter(u.split for u in found)
    assert counts["train"] > 100
    assert counts["validation"] > 0 < counts["test"]
    (tmp_path / "testing_list.txt").write_text(f"yes/{names[0]}\n", encoding="utf-8")
    listed = [u for u in speech_commands(tmp_path) if u.split == "test"]
    assert [u.utt for u in listed] == [f"yes/{names[0][:-4]}"]
    with pytest.raises(DataError, match="is not Speech Commands"):
        speech_commands(tmp_path / "yes")


@pytest.mark.parametrize(
    ("speaker", "split"),
    [("0a7c2a8d", "train"), ("022cd682", "test"), ("aa7", "validation")],
)
def test_speech_commands_rule(speaker, split) -> None:
    for number in range(3):
        assert which_split(f"yes/{speaker}_nohash_{number}.wav") == split


def test_manifests(tmp_path) -> None:
    entries = [
        Utterance("a", str(tmp_path / "x" / "a.wav"), "سبعة", "train", "ar", dur_s=1.5),
        Utterance("b", str(tmp_path / "b.wav"), "two", "test", offset_s=0.5),
    ]
    path = tmp_path / "out" / "manifest.jsonl"
    assert write_manifest(path, entries) == 2
    assert '"../x/a.wav"' in path.read_text("utf-8")
    back = read_manifest(path)
    assert [u.text for u in back] == ["سبعة", "two"]
    assert [u.dur_s for u in back] == [1.5, None]
    assert (path.parent / "../x/a.wav") == tmp_path / "out" / back[0].audio
    wrong = {
        "{": "a JSON object",
        '{"utt": "c"}': "text for audio, text, split",
        '{"utt": "a", "audio": "a", "text": "", "split": "s"}': "no line before",
        '{"utt": "d", "audio": "a", "text": "", "split": "s", "dur_s": -1}': "seconds",
        '{"utt": "d", "audio": "a", "text": "", "split": "s", "lang": 3}': "for lang",
    }
    content = path.read_text("utf-8")
    for line, reason in wrong.items():
        path.write_text(f"{content}\n{line}\n", encoding="utf-8")
        with pytest.raises(
            DataError, match=f"line 4 of .*Expected .*{reason}.*Received"
        ):
            read_manifest(path)
        problems: list[str] = []
        assert read_manifest(path, problems.append) == back
        assert len(problems) == 1
    with pytest.raises(DataError, match=r"data.manifest"):
        read_manifest(tmp_path / "nothing")


needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="needs tfmodels[speech], eSpeak NG",
)


@needs_espeak
def test_espeak_speaks(tmp_path, monkeypatch) -> None:
    found = speak(tmp_path, 5)
    assert Counter(u.dialect for u in found) == dict.fromkeys(VOICES, 5)
    for utterance in found:
        with wave.open(utterance.audio) as file:
            assert file.getnframes() > 0.5 * file.getframerate()
    tests = {u.speaker for u in found if u.split == "test"}
    assert tests.isdisjoint(u.speaker for u in found if u.split == "train")
    monkeypatch.setitem(VOICES, "en-zz", "en")
    with pytest.raises(DataError, match=r"no voice en-zz"):
        speak(tmp_path, 1)


def test_espeak_that_is_not_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"tfmodels\[speech\].*GPL.*Received"):
        speak(tmp_path, 1)
