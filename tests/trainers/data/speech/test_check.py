"""Looking through speech before training: each bad file is named with its reason."""

import json

import numpy as np
import pytest

from tests.trainers.data.speech.corpora import tone
from tests.trainers.data.speech.corpora import write_digits
from tests.trainers.data.speech.corpora import write_wave
from tfmodels.errors import DataError
from trainers.data.speech.check import check_speech
from trainers.data.speech.config import ConnectedDigitsData
from trainers.data.speech.config import SpeechManifestData


def entry(name, **changes):
    return {
        "utt": name,
        "audio": f"{name}.wav",
        "text": "seven two",
        "split": "train",
        "lang": "en",
        "dialect": "en-us",
        "speaker": name[0],
    } | changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("checked")
    write_wave(path / "good.wav", tone(500, 0.5))
    write_wave(path / "fast.wav", tone(500, 0.5, 16_000), 16_000)
    write_wave(path / "clipped.wav", np.clip(6 * tone(500, 0.5), -32768, 32767))
    write_wave(path / "long.wav", tone(500, 2.0))
    write_wave(path / "empty.wav", [])
    write_wave(path / "brief.wav", tone(500, 0.01))
    write_wave(path / "silent.wav", np.zeros(4000))
    write_wave(path / "cut.wav", tone(500, 0.5))
    (path / "cut.wav").write_bytes((path / "cut.wav").read_bytes()[:3000])
    (path / "text.wav").write_text("not audio at all")
    return path


def check(folder, entries, **changes):
    path = folder / "manifest.jsonl"
    lines = [e if isinstance(e, str) else json.dumps(e) for e in entries]
    path.write_text("\n".join(lines), encoding="utf-8")
    values = {
        "manifest": str(path),
        "batch_size": 4,
        "sample_rate": 8000,
        "mel_bins": 40,
        "test": None,
        "buckets": [{"frames": 100, "units": 20}],
    }
    config = SpeechManifestData.parse({**values, **changes})
    return check_speech(config, lambda split, number: None)


def test_what_is_counted(folder) -> None:
    entries = [entry("good"), entry("fast"), entry("clipped"), entry("long")]
    report = check(folder, entries)["train"]
    assert report.problems == []
    assert report.utterances == 4
    assert report.varieties == {"en-us": 4}
    assert report.seconds == pytest.approx(3.5)
    assert (report.other_rate, report.clipped, report.long) == (1, 1, 1)


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("empty", {}, "holds no sound"),
        ("brief", {}, "too short. Expected at least one frame"),
        ("silent", {}, "silent. Expected speech"),
        ("cut", {}, "samples too early"),
        ("text", {}, "text.wav"),
        ("absent", {}, "absent.wav"),
        ("good", {"dialect": None}, "unknown variety. Expected the key dialect"),
        ("good", {"text": " "}, "transcript is empty"),
        ("good", {"offset_s": 0.4, "dur_s": 0.3}, "offset_s and dur_s"),
    ],
)
def test_what_cannot_be_used(folder, name, changes, reason) -> None:
    report = check(folder, [entry("fast"), entry(name, **changes)])["train"]
    (problem,) = report.problems
    assert problem.startswith(f"{name}: ")
    assert reason in problem
    assert "Expected" in problem
    assert "Received" in problem
    assert report.utterances == 1


def test_other_splits_are_compared_with_training(folder) -> None:
    entries = [
        entry("good"),
        entry("fast", text="two à", split="test"),
        entry("clipped", dialect="en-nz", split="test"),
        entry("gift", audio="good.wav", split="test"),
    ]
    report = check(folder, entries, test=["test"])["test"]
    assert report.utterances == 1
    assert report.also_in_training == 1
    unknown, variety = report.problems
    assert "'à'" in unknown
    assert unknown.startswith("fast: characters that are not in the table")
    assert "Expected the key dialect to be one of en-us" in variety


def test_damaged_lines_and_names_that_are_there_twice(folder) -> None:
    report = check(folder, [entry("good"), "{", entry("good")])["train"]
    damaged, twice = report.problems
    assert "line 2 of" in damaged
    assert "a name that no line before has" in twice
    (folder / "manifest.jsonl").unlink()
    config = SpeechManifestData.parse(
        {
            "manifest": str(folder / "manifest.jsonl"),
            "batch_size": 1,
            "buckets": [{"frames": 10, "units": 10}],
        }
    )
    with pytest.raises(DataError, match=r"cannot read the manifest.*data.manifest"):
        check_speech(config, lambda split, number: None)


def test_recordings_of_digits(tmp_path) -> None:
    write_digits(tmp_path, numbers=6)
    (tmp_path / "3_theo_5.wav").write_bytes(b"")
    config = ConnectedDigitsData(english=str(tmp_path), batch_size=4)
    reports = check_speech(config, lambda split, number: None)
    assert reports["train"].utterances == 19
    assert "3_theo_5" in reports["train"].problems[0]
    assert reports["test"].varieties == {"en-us": 50, "en-gr": 50}
    assert reports["test"].also_in_training == 2
