"""Manifests that the command writes are read by the section that it prints."""

from pathlib import Path

import numpy as np
import pytest

from tests.tools.test_kaldi import run
from tests.trainers.data.speech.corpora import write_digits
from tfmodels.errors import ConfigError
from tools import data
from trainers.configuration import read_yaml
from trainers.data.speech.config import ConnectedDigitsData
from trainers.data.speech.config import SpeechManifestData
from trainers.data.speech.digit_clips import ENGLISH
from trainers.data.speech.digit_clips import list_clips
from trainers.data.speech.digit_clips import read_clips
from trainers.data.speech.front_end import FrontEnd
from trainers.data.speech.sources import open_speech


def test_digits_become_a_manifest(tmp_path: Path, capsys) -> None:
    source = tmp_path / "recordings"
    source.mkdir()
    write_digits(source, numbers=6)
    printed = run("prepare", "fsdd", "--source", source, "--output", tmp_path / "out")
    section = printed[printed.index("data:") :]
    config = SpeechManifestData.parse(read_yaml(section, "printed")["data"])
    opened = open_speech(config)
    assert opened.references("train")[:2] == ["zero", "zero"]
    assert len(opened.utterances("test")) == 100
    names = [variety.name for variety in opened.graphemes.varieties]
    assert names == ["en-gr", "en-us"]
    assert data._check_recordings(config) == 0
    (source / "3_theo_5.wav").write_bytes(b"")
    capsys.readouterr()
    assert data._check_recordings(config) == 1
    assert "3_theo_5" in capsys.readouterr().out


def test_a_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Expected --source"):
        run("prepare", "librispeech", "--output", tmp_path)


def test_dialects_of_tones_contradict_each_other_in_four_words(tmp_path: Path) -> None:
    printed = run("prepare", "tones", "--output", tmp_path)
    section = read_yaml(printed[printed.index("data:") :], "printed")["data"]
    config = ConnectedDigitsData.parse({**section, "words": [1, 1]})
    clips = read_clips(list_clips(config), FrontEnd(config))
    found: dict[str, dict[str, tuple[float, ...]]] = {"north": {}, "south": {}}
    for file, begin, end in zip(
        clips.files, clips.offsets, clips.offsets[1:], strict=False
    ):
        halves = np.array_split(clips.samples[begin:end], 2)
        found[file.accent][file.word] = tuple(map(_nearest_hz, halves))
    north, south = found["north"], found["south"]
    assert len(set(north.values())) == 10
    exchanged = {"zero": "one", "one": "zero", "two": "three", "three": "two"}
    assert south == {word: north[exchanged.get(word, word)] for word in ENGLISH}
    names = {path.name[0] for path in (tmp_path / "exchanged").glob("*.wav")}
    assert names == set("0123")


def _nearest_hz(samples: np.ndarray) -> float:
    heard = np.abs(np.fft.rfft(samples)).argmax() * 8000 / len(samples)
    return min((400.0, 640.0, 1000.0, 1560.0, 2400.0), key=lambda hz: abs(hz - heard))
