"""A tiny corpus of chords to learn to speak from, and experiments on it."""

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np

from trainers.experiment import Experiment

RATE = 22_050
VOICES = {"s0": "de", "s1": "es", "s2": "es"}
MODEL = {
    "num_symbols": 6,
    "num_speakers": 3,
    "num_languages": 2,
    "mel_bins": 40,
    "frames_per_step": 3,
    "encoder": {"dim": 8, "convolutions": 1},
    "attention": {"dim": 4, "filters": 2, "kernel": 3},
    "decoder": {"prenet_dim": 4, "hidden_dim": 8},
    "postnet": {"convolutions": 2, "filters": 4},
    "residual": {"dim": 2, "filters": 4, "hidden_dim": 4},
    "classifier": {"hidden_dim": 4},
}


def write_voices(folder: Path) -> dict[str, Any]:
    """Voices are chords of their own; a text is how fast they swell."""
    rng = np.random.default_rng(0)
    lines = []
    for split, count in (("train", 4), ("test", 1), ("reference", 6)):
        for voice, (speaker, own) in enumerate(VOICES.items()):
            for language in (own,) if split == "train" else ("de", "es"):
                for number in range(count):
                    name = f"{split}-{speaker}-{language}-{number}"
                    time = np.arange(5120 + 256 * number) / RATE
                    tones = 300 * (voice + 1) * np.arange(1, 4 + (language == "es"))
                    sound = np.sin(2 * np.pi * tones[:, None] * time).sum(axis=0)
                    sound *= np.sin((3 + number) * time * 9) + 1.1
                    sound += rng.normal(0, 0.05, len(time))
                    with wave.open(str(folder / f"{name}.wav"), "w") as file:
                        file.setnchannels(1)
                        file.setsampwidth(2)
                        file.setframerate(RATE)
                        file.writeframes((2000 * sound).astype("<i2").tobytes())
                    lines.append(
                        {
                            "id": name,
                            "wav": f"{name}.wav",
                            "text": f"ab{'c' * number}",
                            "phonemes": ["a", "b", *"c" * number],
                            "durations_ms": [100, 80, *[20] * number],
                            "language": language,
                            "speaker": speaker,
                            "split": split,
                        }
                    )
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return {
        "manifests": (str(path),),
        "reference": ("reference",),
        "batch_size": 4,
        "symbols": "phonemes",
        "buckets": ({"frames": 21, "symbols": 8}, {"frames": 30, "symbols": 8}),
    }


def synthesiser(data: dict[str, Any], /, **changes: Any) -> Experiment:
    """An experiment that reads letters; changes are of sections."""
    values: dict[str, Any] = {
        "task": {"kind": "speech_synthesis", "max_frames": 30},
        "model": {"kind": "tacotron", **MODEL},
        "data": {**data, "kind": "synthesis_manifest", "symbols": "characters"},
        "objective": {"kind": "synthesis", "alignment_weight": 0.5},
        "optimizer": {
            "kind": "adam",
            "learning_rate": {"kind": "constant", "initial": 0.001},
        },
        "run": {"steps": 2},
    }
    for section, change in changes.items():
        values[section] = {**values[section], **change}
    return Experiment.parse(values)
