"""Manifests that the command writes are read by the section that it prints."""

from pathlib import Path

import pytest

from tests.tools.test_kaldi import run
from tests.trainers.data.speech.corpora import write_digits
from tfmodels.errors import ConfigError
from tools import data
from trainers.configuration import read_yaml
from trainers.data.speech.config import SpeechManifestData
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
