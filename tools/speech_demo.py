"""`tfmodels demo --system multilingual_tts`: a short training, and two sounds of it."""

import time
from pathlib import Path
from typing import Any

from tools.console import print_to_terminal
from tools.prepare.voices import prepare_voices

_CONFIG = "multilingual_tts/tiny"
# Fewer than the configuration's, with shorter schedules.
_STEPS = 1200
_SPEAKER = "m3"
_LANGUAGES = {"seen": "en-us", "crossed": "es"}


def speech_demo(workdir: Path) -> None:
    """Trains for a short time and says a text in a voice's own language and in another.

    Raises:
      DataError: eSpeak NG, which says what is learned from, is not installed.
    """
    import trainers
    from trainers.runs import load_run
    from trainers.summaries.figures import save
    from trainers.tasks.synthesis_pictures import spoken

    started = time.monotonic()
    corpus, run = workdir / "voices", workdir / "multilingual_tts"
    manifest = corpus / "manifest.jsonl"
    if not manifest.exists():
        prepare_voices(corpus)
    print_to_terminal(f"Training {_CONFIG} for {_STEPS} steps in {run} ...")
    result = trainers.train(_CONFIG, run, _changes(manifest))
    parts, titles = [], []
    for name, language in _LANGUAGES.items():
        text = _unheard(manifest, language)
        voice = [f"task.speaker={_SPEAKER}", f"task.language={language}"]
        opened = load_run(run, voice)
        said: Any = opened.task.predict(opened.model, text)
        path = workdir / f"{name}.wav"
        said.write(path)
        parts += said.pieces
        titles += [f"{_SPEAKER}, {language} ({name}): {text}"] * len(said.pieces)
        print_to_terminal(f"{path}: {_SPEAKER} says {text!r} ({language}), {said}")
    rate = opened.task.voices.preset  # type: ignore[attr-defined]
    picture = workdir / "speech.png"
    save(spoken(parts, titles, rate.sample_rate / rate.hop), picture)
    print_to_terminal(f"{picture}: their spectra, and what was read when.")
    for name in ("mcd_seen", "mcd_crossed", "speaker_id_crossed"):
        print_to_terminal(f"test/{name}: {result.metrics[f'test/{name}']:.3f}")
    print_to_terminal(f"The whole training takes longer: tfmodels train {_CONFIG}")
    print_to_terminal(f"Done in {time.monotonic() - started:.0f} s.")


def _changes(manifest: Path) -> list[str]:
    """What differs from the configuration."""
    return [
        f"data.manifests=[{manifest}]",
        "data.validation=null",
        "data.words=null",
        f"run.steps={_STEPS}",
        f"run.evaluate_every={_STEPS}",
        f"optimizer.learning_rate.every={_STEPS}",
        "objective.kl_steps=300",
        "objective.guidance_steps=600",
    ]


def _unheard(manifest: Path, language: str) -> str:
    """A phrase that is not learned from."""
    from trainers.data.speech.manifest import read_manifest

    entries = read_manifest(manifest)
    found = (e.text for e in entries if (e.split, e.lang) == ("test", language))
    return next(found)
