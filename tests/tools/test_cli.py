"""The command line: output, messages on stderr, exit codes."""

import json
import pathlib
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.errors import Diverged
from tfmodels.errors import Preempted
from tools import cli
from trainers.configuration import find_config
from trainers.configuration import load_experiment


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_help_lists_the_commands():
    output = run("--help")
    for command in ("systems", "doctor", "config", "launch"):
        assert command in output


def test_show_prints_the_resolved_experiment(tmp_path: pathlib.Path):
    output = run("config", "show", "googlenet/tiny", "--set", "run.seed=7")
    file = tmp_path / "shown.yaml"
    file.write_text(output, encoding="utf-8")
    assert load_experiment(file) == load_experiment("googlenet/tiny", ["run.seed=7"])


def test_validate_names_every_file():
    assert run(
        "config", "validate", "googlenet/tiny", "inception_v4/tiny"
    ).splitlines() == [
        "googlenet/tiny: valid",
        "inception_v4/tiny: valid",
    ]


def test_validate_reports_every_wrong_file(tmp_path: pathlib.Path):
    text = find_config("googlenet/tiny").read_text(encoding="utf-8")
    files = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    for file in files:
        file.write_text(text + "\nextra: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        run("config", "validate", *map(str, files))
    for file in files:
        assert f"{file}: extra: unknown key" in str(caught.value)


def test_diff_prints_changed_keys(tmp_path: pathlib.Path):
    file = tmp_path / "changed.yaml"
    file.write_text(
        run("config", "show", "googlenet/tiny", "--set", "run.seed=7"), encoding="utf-8"
    )
    assert run("config", "diff", "googlenet/tiny", str(file)) == "run.seed: 0 -> 7\n"
    assert (
        run("config", "diff", "googlenet/tiny", "googlenet/tiny") == "no difference\n"
    )


def test_schema_is_json():
    assert json.loads(run("config", "schema"))["title"] == "Experiment"


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError, 2), (DataError, 3), (Diverged, 4), (Preempted, 42)],
)
def test_a_user_error_ends_with_a_sentence_and_its_code(
    error: type[Exception],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error("What is wrong. Expected this. Received that.")

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr("sys.argv", ["tfmodels"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == code
    captured = capsys.readouterr()
    assert captured.err == "What is wrong. Expected this. Received that.\n"
    assert captured.out == ""


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr("sys.argv", ["tfmodels"])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


def test_a_process_does_not_wait_for_threads_it_leaves():
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import atexit, sys, threading, time\n"
            "from tools import cli\n"
            "print('begun')\n"
            "atexit.register(print, 'ended by itself')\n"
            "threading.Thread(target=time.sleep, args=[60], daemon=True).start()\n"
            "sys.argv = ['tfmodels', 'no-such-command']\n"
            "cli.process()\n",
        ],
        cwd=pathlib.Path(__file__).parents[2],
        text=True,
        capture_output=True,
        timeout=30,
    )
    assert (found.returncode, found.stdout) == (2, "begun\n")
