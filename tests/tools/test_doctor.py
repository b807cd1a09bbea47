"""What the doctor finds, and what it calls a problem."""

import json
import pathlib

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from tfmodels.errors import CheckFailed
from tools import cli
from tools import doctor


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("pytest>=1", ""),
        ("pytest<1", "expected <1"),
        ("no-such-distribution-here", "run: pip install"),
        ('no-such-distribution-here; extra == "io"', ""),
    ],
)
def test_requirements(requirement: str, problem: str):
    finding = doctor.requirement_finding(Requirement(requirement))
    assert finding.problem.startswith(problem)
    assert bool(finding.problem) == bool(problem)


def test_a_cluster_is_explained():
    cluster = {"worker": ["a:1", "b:2"], "evaluator": ["c:3"]}
    text = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}})
    assert [finding.found for finding in doctor.cluster_findings(text)] == [
        "a:1, b:2",
        "c:3",
        "worker 1 at b:2",
    ]


@pytest.mark.parametrize(
    ("job", "commands"),
    [
        ("chief", ["tfmodels train"]),
        ("worker", ["launch worker", "replica", "rpc"]),
        ("ps", ["launch worker", "server", "rpc"]),
    ],
)
def test_a_cluster_of_parameter_servers_is_explained(job: str, commands: list[str]):
    cluster = {"chief": ["a:1"], "worker": ["b:2"], "ps": ["c:3"]}
    text = json.dumps({"cluster": cluster, "task": {"type": job, "index": 0}})
    findings = doctor.cluster_findings(text)
    assert [finding.subject for finding in findings][2] == "servers"
    assert all(command in findings[-1].found for command in commands)
    assert not any(finding.problem for finding in findings)


def test_servers_without_a_chief_are_a_problem():
    task = {"type": "ps", "index": 0}
    text = json.dumps({"cluster": {"ps": ["c:3"]}, "task": task})
    assert "chief" in doctor.cluster_findings(text)[-1].problem
    text = json.dumps({"cluster": {"ps": ["c:3"], "chief": ["a:1"]}, "task": task})
    finding = doctor.cluster_findings(text)[-1]
    assert not finding.problem
    assert "replicas that join" in finding.found


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {}}',
        '{"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_wrong_cluster_is_a_problem(text: str):
    (finding,) = doctor.cluster_findings(text)
    assert "expected" in finding.problem


def test_a_folder_that_cannot_be_made_is_a_problem(tmp_path: pathlib.Path):
    assert not doctor.folder_finding(tmp_path / "a" / "b").problem
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.touch()
    assert "cannot be written" in doctor.folder_finding(file / "runs").problem


def test_devices_are_listed():
    found = {finding.subject: finding for finding in doctor.device_findings()}
    assert "CPU" in found["CPU"].found
    assert not any(finding.problem for finding in found.values())


def test_the_command_fails_when_something_is_missing(monkeypatch: pytest.MonkeyPatch):
    def missing() -> list[doctor.Finding]:
        return [doctor.Finding("keras", "not installed", "run: pip install keras")]

    monkeypatch.setattr(doctor, "package_findings", missing)
    with pytest.raises(CheckFailed, match="keras: run: pip install keras"):
        CliRunner().invoke(cli.app, ["doctor"], catch_exceptions=False)


def test_the_command_succeeds_on_this_machine(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor, "package_findings", list)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    arguments = ["doctor", "--workdir", str(tmp_path)]
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "writable" in result.output
