"""Batches to learn to speak from: made manifests, phoneme times, statistics."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from tfmodels.errors import DataError
from trainers.data.synthesis.config import SynthesisManifestData
from trainers.data.synthesis.dataset import synthesis_dataset
from trainers.data.synthesis.espeak_voices import durations_of
from trainers.data.synthesis.manifests import read_any
from trainers.data.synthesis.source import open_synthesis

RATE = 22_050


def write_corpus(folder: Path) -> Path:
    lines = []
    for number in range(12):
        seconds = 0.2 + 0.02 * number
        time = np.arange(round(RATE * seconds)) / RATE
        with wave.open(str(folder / f"{number}.wav"), "w") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            sound = 9000 * np.sin(2 * np.pi * (200 + 100 * number) * time)
            file.writeframes(sound.astype("<i2").tobytes())
        lines.append(
            {
                "id": f"u{number}",
                "wav": f"{number}.wav",
                "text": "ab c",
                "language": ("de", "es")[number % 2],
                "speaker": f"s{number % 3}",
                "split": "train" if number < 8 else "test",
                "phonemes": ["a", "b", " ", "c"],
                "tones": [5, 0, 0, 0],
                "durations_ms": [60, 70, 0, 50],
            }
        )
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("voices"))


def config(manifest: Path, **changes) -> SynthesisManifestData:
    values = {
        "manifests": (str(manifest),),
        "batch_size": 4,
        "symbols": "phonemes",
        "buckets": ({"frames": 30, "symbols": 8},),
    }
    return SynthesisManifestData(**{**values, **changes})


def test_a_batch(manifest):
    data = config(manifest)
    source = open_synthesis(data)
    assert source.speakers == ("s0", "s1", "s2")
    assert source.languages == ("de", "es")
    assert source.steps_per_epoch == 2
    first, second = (
        next(iter(synthesis_dataset(source, data, "train", 3, start=step)))
        for step in (0, 1)
    )
    seen = np.concatenate([first["index"], second["index"]])
    assert sorted(seen) == list(range(8))
    batch = {name: value.numpy() for name, value in first.items()}
    assert batch["mel"].shape == (4, 30, 40)
    np.testing.assert_array_equal(batch["symbols"][0], [4, 5, 3, 6, 1, 0, 0, 0])
    np.testing.assert_array_equal(batch["tones"][0], [5, 0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(batch["symbol_lengths"], 5)
    for row, index in enumerate(batch["index"]):
        samples = round(RATE * (0.2 + 0.02 * index))
        frames = 1 + samples // 256
        assert batch["frames"][row] == frames
        assert not batch["mel"][row, frames:].any()
        assert batch["speaker"][row].argmax() == index % 3
        assert batch["language"][row].argmax() == index % 2
        # By hand: the middle of frame t is at 256 t / 22050 seconds.
        middle = np.arange(frames) * 256 / 22.05
        expected = np.select(
            [middle < 60, middle < 130, middle < 180], [0, 1, 3], default=4
        )
        np.testing.assert_array_equal(batch["token"][row, :frames], expected)
        assert set(batch["token"][row, frames:]) <= {-1}


def test_evaluation_has_all_and_statistics_are_those_of_frames(manifest):
    data = config(manifest, buckets=({"frames": 30, "symbols": 8},))
    source = open_synthesis(data)
    weights = [b["weight"].numpy() for b in synthesis_dataset(source, data, "test")]
    assert np.concatenate(weights).sum() == 4
    mean, deviation = source.statistics()
    batches = synthesis_dataset(source, data, "train").take(source.steps_per_epoch)
    frames = np.concatenate(
        [
            mel[:count]
            for b in batches
            for mel, count in zip(b["mel"].numpy(), b["frames"].numpy(), strict=True)
        ]
    )
    np.testing.assert_allclose(mean, frames.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(deviation, frames.std(axis=0), atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speakers": ("s0", "s1")}, "unknown speaker.*s2"),
        ({"languages": ("de",)}, "unknown language.*es"),
        ({"words": ("words",)}, "split words is empty"),
        ({"manifests": ("nothing",)}, "cannot read the manifest nothing"),
    ],
)
def test_bad_input(manifest, changes, message):
    with pytest.raises(DataError, match=message):
        open_synthesis(config(manifest, **changes)).split("train")


def test_files_with_bars(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("wavs/a.wav|Hallo|anna|de\n", encoding="utf-8")
    (found,) = read_any(path)
    assert (found.text, found.speaker, found.lang, found.split) == (
        "Hallo",
        "anna",
        "de",
        "train",
    )
    path.write_text("7|anna|de|a.wav|s.npy|l.npy|Ja|ja\u02d0\nx|y\n", encoding="utf-8")
    problems: list[str] = []
    (found,) = read_any(path, problems.append)
    assert found.phonemes == ("j", "a", "\u02d0")
    assert found.audio == str(tmp_path / "a.wav")
    assert "line 2" in problems[0]


def test_times_of_phonemes():
    events = [("a", 10), ("b", 60), ("_:", 100), ("c", 140), ("_:", 200), ("_", 230)]
    spoken = (True, True, False, True)
    assert durations_of(spoken, events) == ((60.0, 40.0, 40.0, 60.0), 200)
    assert durations_of(spoken[1:], events) == (None, 200)
