"""A pipeline on worker processes: the local result, and no hang whatever ends."""

import json
import math
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import trainers
from tests.cluster import Machine
from tests.cluster import Process
from tests.cluster import is_gone
from tests.cluster import wait_until
from tests.distributed.jobs import assert_close
from tests.distributed.jobs import assert_reported_once
from tests.distributed.jobs import finish
from tests.distributed.jobs import last_step
from tests.distributed.jobs import saved_steps
from tests.distributed.jobs import wait_for_step
from tools.launch.local import free_ports
from tools.launch.members import Role
from tools.launch.members import members

pytestmark = pytest.mark.multiprocess

STEPS, SAVED = 150, 20
LIMIT = 60
"""Seconds within which the loss of a process must be noticed."""
REMOTE = ("--set", "strategy.remote=true")
CONFIG = f"""
task: {{kind: language_modeling}}
model:
  kind: transformer
  vocabulary_size: 10
  max_length: 13
  num_layers: 2
  model_dim: 8
  num_heads: 2
  feed_forward_dim: 16
  dropout_rate: 0.1
data: {{kind: sorting, symbols: 8, length: 6, batch_size: 8, train_examples: 2000,
  test_examples: 16}}
objective: {{kind: cross_entropy}}
optimizer:
  kind: adam
  learning_rate: {{kind: cosine, initial: 0.003, warmup: 5}}
  clip_global_norm: 1.0
strategy: {{kind: pipeline, devices: cpu, stages: 2, microbatches: 2}}
run:
  steps: {STEPS}
  steps_per_loop: 1
  log_every: 1
  checkpoint_every: {SAVED}
  average: {{kind: exponential, decay: 0.9}}
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``job.yaml``, and ``whole``: the run on two devices of this process."""
    folder = tmp_path_factory.mktemp("job")
    config = folder / "job.yaml"
    config.write_text(CONFIG)
    trainers.train(config, folder / "whole")
    return folder


class Launched:
    """A run that `tfmodels launch local` has started."""

    def __init__(self, machine: Machine, job: Path, run: Path) -> None:
        """Starts it; `run` is its folder."""
        self._command = ("launch", "local", job / "job.yaml", "--workdir", run, *REMOTE)
        self._machine, self._job, self.run = machine, job, run
        self.launcher: Process = machine.start(*self._command)
        self.processes: list[int] = []

    def wait_for_processes(self) -> None:
        """Waits until the chief and two workers are there."""
        wait_until(lambda: len(self.launcher.children) == 3, self.launcher)
        self.processes = self.launcher.children

    def wait_for_checkpoint(self) -> None:
        """Waits until there is something to resume, and more."""
        self.wait_for_processes()
        wait_for_step(self.run, SAVED + 3, self.launcher)
        assert last_step(self.run) < STEPS

    def ends(self, code: int, seconds: float = LIMIT) -> None:
        """Waits until it has ended, with nothing left running."""
        assert self.launcher.wait(seconds) == code, self.launcher
        wait_until(lambda: all(map(is_gone, self.processes)))
        assert "Traceback" not in self.launcher.errors

    def resumes(self) -> None:
        """The same command goes on to the result of one process."""
        newest = saved_steps(self.run)[-1]
        assert SAVED <= newest < STEPS
        launcher = finish(self._machine, *self._command)
        assert f"Resuming after step {newest}." in launcher.errors
        assert_reported_once(self.run)
        assert_close(self.run, self._job / "whole")


@pytest.fixture
def launched(machine: Machine, job: Path, tmp_path: Path) -> Iterator[Launched]:
    """A run under way, of which nothing is left when the test ends."""
    started = Launched(machine, job, tmp_path / "run")
    yield started
    started.launcher.end()
    # Processes of their own sessions: the system ends them with their launcher.
    wait_until(lambda: all(map(is_gone, started.processes)))


def test_two_workers_give_the_local_result(launched: Launched, job: Path) -> None:
    launched.wait_for_processes()
    launched.ends(0, seconds=150)
    assert_close(launched.run, job / "whole")
    mine, local = (
        json.loads((run / "metrics.json").read_text())
        for run in (launched.run, job / "whole")
    )
    assert mine == pytest.approx(local, abs=1e-6)
    assert mine["test/loss"] < math.log(10)
    # Another strategy opens what the workers have trained.
    elsewhere = "strategy={kind: data_parallel, devices: cpu}"
    metrics = trainers.evaluate(launched.run, [elsewhere])
    assert metrics == pytest.approx(mine, abs=1e-6)


def test_sigterm_saves_and_ends_all(launched: Launched) -> None:
    launched.wait_for_checkpoint()
    launched.launcher.send(signal.SIGTERM)
    launched.ends(42)
    step = saved_steps(launched.run)[-1]
    assert f"after step {step}, which is saved" in launched.launcher.errors
    launched.resumes()


def test_kill_9_of_a_worker(launched: Launched) -> None:
    launched.wait_for_checkpoint()
    os.kill(launched.processes[2], signal.SIGKILL)
    launched.ends(1)
    errors = " ".join(launched.launcher.errors.split())
    assert "Start all of them again" in errors
    assert "worker 1 ended" in errors
    launched.resumes()


def test_a_worker_that_hangs(launched: Launched) -> None:
    launched.wait_for_checkpoint()
    os.kill(launched.processes[1], signal.SIGSTOP)
    started = time.monotonic()
    launched.ends(1)
    assert time.monotonic() - started < LIMIT
    errors = " ".join(launched.launcher.errors.split())
    assert re.search(r"no answer from 127\.0\.0\.1:\d+\. Start all", errors)
    assert saved_steps(launched.run)[-1] >= SAVED


def test_kill_9_of_the_launcher_ends_all(launched: Launched) -> None:
    launched.wait_for_processes()
    launched.launcher.send(signal.SIGKILL)
    launched.ends(-signal.SIGKILL)


def test_a_worker_that_never_started(
    machine: Machine, job: Path, tmp_path: Path
) -> None:
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    jobs = (Role("chief", 1, "train"), Role("worker", 1))
    chief, nobody = members(jobs, addresses)
    run = tmp_path / "run"
    process = machine.start(
        *("train", job / "job.yaml", "--workdir", run, *REMOTE),
        TF_CONFIG=chief.tf_config,
    )
    assert process.wait(LIMIT + 30) == 1, process
    assert nobody.address in "".join(process.errors.split())
    assert "tfmodels launch worker" in " ".join(process.errors.split())
    assert "Traceback" not in process.errors
    assert not run.exists()
