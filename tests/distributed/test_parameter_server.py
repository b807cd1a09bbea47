"""Asynchronous replicas as processes: exact counts, and what happens when some end."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import trainers
from tests.cluster import ROOT
from tests.cluster import SECONDS
from tests.cluster import Machine
from tests.cluster import is_gone
from tests.cluster import wait_until
from tests.distributed import unit_pushes
from tests.distributed.jobs import history
from tests.distributed.jobs import saved_steps
from tests.distributed.replicas import SERVERS
from tests.distributed.replicas import STEPS
from tests.distributed.replicas import WORKERS
from tests.distributed.replicas import launched
from tests.distributed.replicas import metrics
from tests.distributed.replicas import pushes
from tests.distributed.replicas import start
from tests.distributed.replicas import write_config
from tools.launch.local import free_ports
from tools.launch.members import members
from tools.launch.members import roles
from trainers.strategies.config import ParameterServerConfig

pytestmark = pytest.mark.multiprocess

UNITS = 400


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two workers and two servers."""
    return write_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module", params=["coordinator", "rpc"])
def any_config(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same, with workers of either kind."""
    return write_config(tmp_path_factory.mktemp("config"), request.param)


def test_every_push_counts(machine: Machine, config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, config, run)
    children = launcher.children
    assert launcher.wait() == 0, launcher
    wait_until(lambda: all(map(is_gone, children)))
    assert pushes(run) == STEPS
    assert metrics(run)["test/loss"] < math.log(10)
    lines = [line for line in history(run) if "train/loss" in line]
    assert all(line["parameter_server/staleness_mean"] >= 0 for line in lines)
    assert max(line["parameter_server/staleness_max"] for line in lines) >= 1
    assert list((run / "pictures").rglob("*staleness*.png"))
    # Another strategy, which needs no cluster, opens what the replicas have trained.
    elsewhere = "strategy={kind: data_parallel, devices: cpu}"
    assert trainers.evaluate(run, [elsewhere]) == pytest.approx(metrics(run))


def test_no_unit_of_any_push_is_lost(machine: Machine) -> None:
    jobs = roles(ParameterServerConfig(), 2, 2)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(5)]
    chief, *others = members(jobs, addresses)
    for each in others:
        machine.start("launch", "worker", TF_CONFIG=each.tf_config)
    found = subprocess.run(
        [sys.executable, "-m", "tests.distributed.unit_pushes", str(UNITS)],
        cwd=ROOT,
        env={**os.environ, "TF_CONFIG": chief.tf_config},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert found.returncode == 0, found.stderr
    values = json.loads(found.stdout)
    assert values["pushes"] == values["staleness"] == UNITS
    assert values["accumulators"] == [unit_pushes.START + UNITS] * unit_pushes.SIZE
    steps = unit_pushes.RATE / np.sqrt(unit_pushes.START + np.arange(1, UNITS + 1))
    np.testing.assert_allclose(values["weights"], -steps.sum(), rtol=1e-5)


def test_sigterm_saves_and_the_run_resumes(
    machine: Machine, any_config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, any_config, run)
    launcher.send(signal.SIGTERM)
    assert launcher.wait() == 42, launcher
    assert pushes(run) == saved_steps(run)[-1] < STEPS
    again = start(machine, any_config, run)
    assert again.wait() == 0, again
    assert "Resuming after step" in again.errors
    assert pushes(run) == STEPS


def test_a_worker_that_is_killed_returns(
    machine: Machine, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, config, run)
    os.kill(launcher.children[WORKERS[1]], signal.SIGKILL)
    assert launcher.wait() == 0, launcher
    assert "worker 1 ended, code -9; starting it again" in launcher.errors
    assert "Traceback" not in launcher.errors
    # Done again, what it had under way may have been pushed already.
    assert STEPS <= pushes(run) <= STEPS + 1
    assert metrics(run)["test/loss"] < math.log(10)


def test_all_workers_that_are_killed_return(
    machine: Machine, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, config, run)
    children = launcher.children
    for worker in WORKERS:
        os.kill(children[worker], signal.SIGKILL)
    assert launcher.wait() == 0, launcher
    assert STEPS <= pushes(run) <= STEPS + len(WORKERS)
    assert metrics(run)["test/loss"] < math.log(10)


def test_a_server_that_is_killed_loses_a_chunk_at_most(
    machine: Machine, any_config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, any_config, run)
    os.kill(launcher.children[SERVERS[1]], signal.SIGKILL)
    assert launcher.wait() == 0, launcher
    assert "ps 1 ended, code -9; starting it again" in launcher.errors
    assert "A server was lost" in launcher.errors
    assert "Traceback" not in launcher.errors
    assert pushes(run) == STEPS
    assert metrics(run)["test/loss"] < math.log(10)


def test_all_workers_gone_is_noticed(
    machine: Machine, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, config, run)
    children = launcher.children
    for worker in WORKERS:
        os.kill(children[worker], signal.SIGSTOP)
    assert launcher.wait(60) == 1, launcher
    assert "Start all of them again" in " ".join(launcher.errors.split())
    assert saved_steps(run)[-1] >= 40


def test_a_port_in_use(machine: Machine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        jobs = roles(ParameterServerConfig(), 1, 1)
        others = [f"127.0.0.1:{port}" for port in free_ports(2)]
        worker = members(jobs, [others[0], address, others[1]])[1]
        process = machine.start("launch", "worker", TF_CONFIG=worker.tf_config)
        assert process.wait() == 2, process
    assert f"TF_CONFIG: cannot serve at {address}" in process.errors


@pytest.mark.parametrize(
    ("change", "key"),
    [("strategy.replicas=3", "replicas"), ("strategy.servers=1", "servers")],
)
def test_a_cluster_that_contradicts_the_configuration(
    machine: Machine, config: Path, tmp_path: Path, change: str, key: str
) -> None:
    jobs = roles(ParameterServerConfig(), 2, 2)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(5)]
    chief = members(jobs, addresses)[0]
    process = machine.start(
        *("train", config, "--workdir", tmp_path / "run"),
        *("--set", "strategy.runtime=coordinator", "--set", change),
        TF_CONFIG=chief.tf_config,
    )
    assert process.wait() == 2, process
    assert f"strategy.{key}" in process.errors
