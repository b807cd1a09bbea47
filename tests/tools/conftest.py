"""A way to call the command line as a user would."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools import cli

Command = Callable[..., tuple[int, str, str]]


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
