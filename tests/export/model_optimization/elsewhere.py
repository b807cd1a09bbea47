"""Models rebuilt in tf-keras in another process: weights, and what they compute."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from export.model_optimization.description import describe
from export.model_optimization.description import weights_of

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from export.model_optimization.rebuilding import load_weights, rebuild, weights_of
for folder in map(Path, sys.argv[1:]):
    model = rebuild(json.loads((folder / "description.json").read_text()))
    load_weights(model, dict(np.load(folder / "weights.npz")))
    answers = model(np.load(folder / "images.npy"), training=False)
    answers = answers if isinstance(answers, list) else [answers]
    np.savez(folder / "answers.npz", *[each.numpy() for each in answers])
    np.savez(folder / "back.npz", **weights_of(model))
    names = [layer.name for layer in model.layers]
    (folder / "names.json").write_text(json.dumps(names))
"""


def write(folder: Path, model: Any, images: np.ndarray) -> None:
    """What the other process reads."""
    folder.mkdir()
    description = json.dumps(describe(model))
    (folder / "description.json").write_text(description)
    np.savez(folder / "weights.npz", **weights_of(model))
    np.save(folder / "images.npy", images)


def rebuild(*folders: Path) -> None:
    """Leaves ``answers.npz``, ``back.npz`` and ``names.json`` in each."""
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, folders)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=500,
    )


def answers(folder: Path) -> dict[str, np.ndarray]:
    """Outputs by their names."""
    names = json.loads((folder / "description.json").read_text())["outputs"]
    with np.load(folder / "answers.npz") as arrays:
        return dict(zip(names, arrays.values(), strict=True))
