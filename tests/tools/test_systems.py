"""The table of systems: status from the shipped files, results from run folders."""

import json
import os
import pathlib

import pytest
from typer.testing import CliRunner

from tools import cli
from tools.systems import SYSTEMS
from tools.systems import last_results
from trainers.configuration import dump
from trainers.configuration import load_experiment


def finish(runs: pathlib.Path, name: str, config: str, top1: float, time: int) -> None:
    folder = runs / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(dump(load_experiment(config)), encoding="utf-8")
    file = folder / "metrics.json"
    file.write_text(
        json.dumps({"train/loss": 1.0, "test/top1": top1}), encoding="utf-8"
    )
    os.utime(file, (time, time))


def test_results_are_those_of_the_newest_run_of_each_system(tmp_path: pathlib.Path):
    finish(tmp_path, "old", "googlenet/tiny", 0.5, time=1)
    finish(tmp_path, "new", "googlenet/tiny", 0.96875, time=3)
    finish(tmp_path, "other", "inception_v4/tiny", 0.25, time=2)
    results = last_results(tmp_path, list(SYSTEMS))
    assert results == {
        "googlenet": f"{tmp_path / 'new'}: test/top1 0.9688",
        "inception_v4": f"{tmp_path / 'other'}: test/top1 0.25",
    }


def test_damaged_runs_are_passed_over(tmp_path: pathlib.Path):
    finish(tmp_path, "good", "googlenet/tiny", 0.5, time=1)
    finish(tmp_path, "broken", "googlenet/tiny", 0.6, time=2)
    (tmp_path / "broken" / "metrics.json").write_text("{", encoding="utf-8")
    finish(tmp_path, "foreign", "googlenet/tiny", 0.7, time=3)
    (tmp_path / "foreign" / "config.yaml").write_text("a: 1", encoding="utf-8")
    results = last_results(tmp_path, list(SYSTEMS))
    assert results == {"googlenet": f"{tmp_path / 'good'}: test/top1 0.5"}


def test_no_run_folder_is_no_problem(tmp_path: pathlib.Path):
    assert last_results(tmp_path / "missing", list(SYSTEMS)) == {}


def test_the_command_lists_every_system(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    finish(tmp_path / "runs", "mine", "googlenet/tiny", 0.875, time=1)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["systems"], catch_exceptions=False)
    for system in SYSTEMS:
        assert system.name in result.output
    assert "test/top1 0.875" in result.output
