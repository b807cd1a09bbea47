"""Replicas that come and go by themselves: exact counts, whoever ends or returns."""

import json
import math
import os
import signal
from pathlib import Path

import pytest

import trainers
from tests.cluster import Machine
from tests.cluster import Process
from tests.cluster import is_gone
from tests.cluster import wait_until
from tests.distributed.jobs import history
from tests.distributed.jobs import saved_steps
from tests.distributed.jobs import wait_for_step
from tests.distributed.replicas import CHIEF
from tests.distributed.replicas import SERVERS
from tests.distributed.replicas import STEPS
from tests.distributed.replicas import WORKERS
from tests.distributed.replicas import launched
from tests.distributed.replicas import metrics
from tests.distributed.replicas import pushes
from tests.distributed.replicas import write_config
from tools.launch.local import free_ports

pytestmark = pytest.mark.multiprocess

NOTICED = 150
"""Seconds within which a chief ends that waits for others; it does so for 90 at most.
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two replicas and two servers."""
    return write_config(tmp_path_factory.mktemp("config"), "rpc")


def counted(text: str) -> list[int]:
    """Steps that replicas say they have taken."""
    return [
        int(line.split(" steps of")[0].split()[-1])
        for line in text.splitlines()
        if "steps of this replica have counted" in line
    ]


def test_every_push_counts(machine: Machine, config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, config, run)
    children = launcher.children
    assert launcher.wait() == 0, launcher
    wait_until(lambda: all(map(is_gone, children)))
    assert pushes(run) == STEPS
    assert sum(counted(launcher.errors)) == STEPS
    assert "starting it again" not in launcher.errors
    assert metrics(run)["test/loss"] < math.log(10)
    lines = [line for line in history(run) if "train/loss" in line]
    assert max(line["parameter_server/staleness_max"] for line in lines) >= 1
    assert max(line["parameter_server/replicas"] for line in lines) == 2
    assert list((run / "pictures").rglob("*staleness*.png"))
    elsewhere = "strategy={kind: data_parallel, devices: cpu}"
    assert trainers.evaluate(run, [elsewhere]) == pytest.approx(metrics(run))


def test_a_replica_that_is_killed_returns(
    machine: Machine, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, config, run)
    os.kill(launcher.children[WORKERS[1]], signal.SIGKILL)
    assert launcher.wait() == 0, launcher
    assert "worker 1 ended, code -9; starting it again" in launcher.errors
    assert "Traceback" not in launcher.errors
    assert pushes(run) == STEPS


def test_a_server_that_hangs_is_noticed(
    machine: Machine, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, config, run)
    os.kill(launcher.children[SERVERS[0]], signal.SIGSTOP)
    assert launcher.wait(NOTICED) == 1, launcher
    assert "A server was lost" in launcher.errors
    assert "Other processes do not answer" in " ".join(launcher.errors.split())
    assert saved_steps(run)[-1] >= 40


def test_all_replicas_gone_is_noticed(
    machine: Machine, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    launcher = launched(machine, config, run)
    children = launcher.children
    for worker in WORKERS:
        os.kill(children[worker], signal.SIGSTOP)
    assert launcher.wait(NOTICED) == 1, launcher
    message = " ".join(launcher.errors.split())
    assert "no sign of life of any replica" in message
    assert "Start all of them again" in message
    assert saved_steps(run)[-1] >= 40
    assert all(map(is_gone, children))
    assert len(children) == len((CHIEF, *WORKERS, *SERVERS))


def test_replicas_join_and_leave_a_run_from_outside(
    machine: Machine, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
    cluster = {"chief": addresses[:1], "ps": addresses[1:]}

    def tf_config(job: str, index: int) -> str:
        return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})

    def join(*more: str) -> Process:
        command = ("launch", "replica", config, "--chief", addresses[0])
        return machine.start(*command, *more)

    # Long enough for the others to arrive.
    steps = "run.steps=1500"
    for index in range(2):
        machine.start("launch", "server", TF_CONFIG=tf_config("ps", index))
    chief = machine.start(
        *("train", config, "--workdir", run, "--set", steps),
        TF_CONFIG=tf_config("chief", 0),
    )
    first = join("--share", "0/2", "--set", steps)
    wait_for_step(run, 40, chief, first)
    other = join("--set", steps, "--set", "model.model_dim=16")
    second = join("--share", "1/2", "--set", steps)
    first.send(signal.SIGKILL)
    assert other.wait() == 2, other
    assert "the chief trains something else" in " ".join(other.errors.split())
    third = join("--share", "0/2", "--set", steps)
    wait_until(
        lambda: (
            any(line.get("parameter_server/replicas") == 2 for line in history(run))
            or not chief.running
        ),
    )
    assert chief.running, "the third replica came too late for this test"
    second.send(signal.SIGTERM)
    assert second.wait() == 0, second
    assert chief.wait() == 0, chief
    assert third.wait() == 0, third
    assert pushes(run) == 1500
    (of_second,), (of_third,) = counted(second.output), counted(third.output)
    assert of_second > 0
    assert of_third > 0
    assert of_second + of_third < 1500
