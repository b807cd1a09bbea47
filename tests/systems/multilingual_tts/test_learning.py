"""The shipped configuration, shortened: what a model says after a minute."""

import importlib.util
from pathlib import Path

import pytest

import trainers
from trainers.data.speech.manifest import write_manifest
from trainers.data.synthesis.espeak_voices import speak_voices

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("espeakng_loader") is None,
        reason="needs tfmodels[speech], eSpeak NG",
    ),
]
SIZES = {"train": 200, "test": 4, "reference": 20}
STEPS = 400


def test_it_learns_to_speak_in_any_voice(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    write_manifest(manifest, speak_voices(tmp_path, sizes=SIZES))
    changes = [
        f"data.manifests=[{manifest}]",
        "data.validation=null",
        "data.words=null",
        f"run.steps={STEPS}",
        f"run.evaluate_every={STEPS}",
        f"optimizer.learning_rate.every={STEPS}",
        "objective.kl_steps=100",
        "objective.guidance_steps=300",
    ]
    run = tmp_path / "run"
    found = trainers.train("multilingual_tts/tiny", run, changes).metrics
    print(found)
