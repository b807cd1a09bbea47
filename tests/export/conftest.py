"""The small network, trained once, and its artefacts."""

from collections.abc import Callable
from pathlib import Path

import pytest

import export
import trainers
from tests.export.small import OVERRIDES
from tests.trainers.small import write_config


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    trainers.train(write_config(folder), folder / "run", OVERRIDES)
    return folder / "run"


@pytest.fixture(scope="session")
def artefact(
    run_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Exports a preset once and returns the folder, which tests must not change."""
    made: dict[str, Path] = {}
    root = tmp_path_factory.mktemp("artefacts")

    def make(preset: str) -> Path:
        if preset not in made:
            made[preset] = export.export(run_folder, preset, root / preset)
        return made[preset]

    return make
