"""Figures of a synthesiser: what it says, and what its encodings of text tell."""

import json
from pathlib import Path

from tools.results.parts import python
from tools.results.parts import runs_folder
from tools.results.parts import tfmodels
from tools.results.recipe import Recipe

_BOTH = ("mcd_seen", "mcd_crossed", "nearer_crossed", "speaker_id_crossed")
_JUDGED = {
    "test": (
        *_BOTH,
        *("boundary_ms", "boundary_ms_seen", "boundary_ms_crossed"),
        *("boundary_ms_taught", "stop_failures"),
    ),
    "words": (*_BOTH, "stop_failures"),
}
_HEARD = ("f0_correlation/", "character_errors_")
_LISTENED = 120
RECOGNISER = "multilingual_tts/recogniser_tiny"
"""Who says what is understood, trained before."""


def spoken(recipe: Recipe, workdir: Path) -> dict[str, float]:
    """What is judged of free running, of known words and of phrases with a new one;
    of more utterances than training listens to, whether pitch moves as in recordings
    and which characters are not understood; how often a fresh probe of encodings is
    right about speaker and language."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    last = {name: value for line in lines for name, value in line.items()}
    judged = {
        f"{split}/{name}": last[f"{split}/{name}"]
        for split, names in _JUDGED.items()
        for name in names
    }
    return {**judged, **_listened(workdir), **_probed(workdir)}


def _listened(workdir: Path) -> dict[str, float]:
    recogniser = runs_folder(RECOGNISER) / "seed0"
    settings = f"task.listened={_LISTENED}", f"task.recogniser={recogniser}"
    tfmodels("evaluate", str(workdir), *(f"--set={each}" for each in settings))
    found = json.loads((workdir / "metrics.json").read_text())
    return {
        name: value
        for split in _JUDGED
        for name, value in found.items()
        if name.startswith(tuple(f"{split}/{kind}" for kind in _HEARD))
    }


def _probed(workdir: Path) -> dict[str, float]:
    code = (
        "import json, sys;"
        "from trainers.probing import probe;"
        "from trainers.runs import load_run;"
        "found = probe(load_run(sys.argv[1]));"
        "print(json.dumps({k: v.accuracy for k, v in found.items()}))"
    )
    found = json.loads(python("-c", code, str(workdir)).splitlines()[-1])
    return {f"probe of {name}": share for name, share in found.items()}
