"""Small corpora of tones, written as files."""

import json
import wave
from pathlib import Path

import numpy as np

RATE = 8000


def write_wave(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    """Writes numbers of 16 bits, one channel."""
    with wave.open(str(path), "w") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())


def tone(hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """A sine of a third of the full scale."""
    return 10_000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def write_manifest(folder: Path) -> Path:
    """20 training and 5 test utterances of three varieties, and their recordings."""
    lines = []
    for number in range(25):
        split = "train" if number < 20 else "test"
        dialect = ("en-us", "en-gb", "de")[number % 5 // 2]
        seconds = 0.2 + 0.03 * number
        write_wave(folder / f"{number}.wav", tone(300 + 50 * number, seconds))
        lines.append(
            {
                "utt": f"u{number}",
                "audio": f"{number}.wav",
                "text": "ab " * (number % 4) + "Zum Ö"[: 3 + number % 3],
                "split": split,
                "lang": dialect[:2],
                "dialect": dialect,
                "speaker": f"s{number % 6}",
                "dur_s": seconds if number % 2 else None,
            }
        )
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def write_digits(folder: Path, numbers: int = 8) -> None:
    """Recordings of two speakers, a tone of its own for each digit."""
    for speaker in ("george", "theo"):
        for digit in range(10):
            for number in range(numbers):
                sound = tone(300 + 200 * digit, 0.15 + 0.01 * number)
                write_wave(folder / f"{digit}_{speaker}_{number}.wav", sound)
