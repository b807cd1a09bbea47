"""A small trained run and a way to call the command line as a user would."""

from collections.abc import Callable
from pathlib import Path

import pytest

import export
import trainers
from tests.trainers.small import write_config
from tools import cli

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``small.yaml``, its finished ``run`` and the artefact ``int8``."""
    folder = tmp_path_factory.mktemp("trained")
    changes = ["export.min_agreement=0.9", "export.max_accuracy_drop=0.1"]
    trainers.train(write_config(folder), folder / "run", changes)
    export.export(folder / "run", "tflite_int8", folder / "int8")
    return folder


@pytest.fixture
def tfmodels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs ``tfmodels ARGUMENTS``: exit code, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["tfmodels", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run
