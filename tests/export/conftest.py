"""The small network, trained once, and its artefacts."""

from collections.abc import Callable
from pathlib import Path

import pytest

import export
import trainers
from tests.export.small import OVERRIDES
from tests.trainers.small import write_config
from tests.trainers.tasks.test_language_modeling import SORT


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
    return exporter(run_folder, tmp_path_factory.mktemp("artefacts"))


@pytest.fixture(scope="session")
def sorting_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model that has learned to sort three symbols."""
    folder = tmp_path_factory.mktemp("sorting")
    (folder / "sort.yaml").write_text(SORT)
    trainers.train(folder / "sort.yaml", folder / "run", ("run.images_every=null",))
    return folder / "run"


@pytest.fixture(scope="session")
def sorting_artefact(
    sorting_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Exports a preset of the language model once; tests must not change it."""
    return exporter(sorting_run, tmp_path_factory.mktemp("sorting_artefacts"))


def exporter(run: Path, root: Path) -> Callable[[str], Path]:
    """A function that exports a preset of a run once and returns the folder."""
    made: dict[str, Path] = {}

    def make(preset: str) -> Path:
        if preset not in made:
            made[preset] = export.export(run, preset, root / preset)
        return made[preset]

    return make
