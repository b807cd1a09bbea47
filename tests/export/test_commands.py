"""The commands `tfmodels export` and `verify`, and the clock behind latencies."""

import shutil
import time

import typer
from typer.testing import CliRunner

from export.latency import median_latency
from export.presets import PRESETS
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tools.export import export_command
from tools.verify import verify_command

app = typer.Typer()
app.command("export")(export_command)
app.command("verify")(verify_command)


def run(*arguments: str):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_help_lists_every_preset():
    text = "".join(run("export", "--help").output.split())
    for name in PRESETS:
        assert name.replace("_", "") in text.replace("_", "").replace("│", "")


def test_export_raises_what_the_command_line_turns_into_an_exit_code(run_folder):
    result = run("export", run_folder, "--preset", "x", "--output", "y")
    assert isinstance(result.exception, ConfigError)


def test_verify_prints_the_table_before_it_fails(artefact, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "export.verification._failures", lambda *arguments: ("too far apart",)
    )
    folder = shutil.copytree(artefact("saved_model"), tmp_path / "copy")
    result = run("verify", folder, "--max-examples", "10")
    assert isinstance(result.exception, CheckFailed)
    assert "saved_model" in result.output


def test_the_latency_is_the_median_without_warm_up(monkeypatch):
    calls = []
    durations = iter([100, 3, 1, 50])
    now = 0.0

    def call() -> None:
        nonlocal now
        calls.append(now)
        now += next(durations)

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert median_latency(call, runs=3, warmup=1) == 3
    assert len(calls) == 4
