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
STEPS = 200


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
        "objective.kl_steps=50",
        "objective.guidance_steps=200",
        "run.xla=false",
    ]
    found = trainers.train("multilingual_tts/tiny", tmp_path / "run", changes).metrics
    # Of six voices; of what nobody has learned, the wanted one and not a native one.
    assert found["test/speaker_id_crossed"] > 0.4
    assert found["test/nearer_crossed"] > 0.6
    # What is read: most of the text, in its order, at about the right times.
    assert found["test/coverage_crossed"] > 0.5
    assert found["test/monotone_crossed"] > 0.95
    assert found["test/boundary_ms"] < 80
    assert found["test/stop_failures"] == 0
