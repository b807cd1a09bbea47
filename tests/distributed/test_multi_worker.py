"""Two processes as one: the same weights, one set of files, stopping together."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.cluster import Machine
from tests.cluster import Process
from tests.cluster import machine as new_machine
from tests.distributed.jobs import assert_close
from tests.distributed.jobs import assert_reported_once
from tests.distributed.jobs import edited
from tests.distributed.jobs import finish
from tests.distributed.jobs import history
from tests.distributed.jobs import last_step
from tests.distributed.jobs import saved_steps
from tests.distributed.jobs import wait_for_step
from tools.prepare.images import Layout
from tools.prepare.images import prepare_digits

pytestmark = pytest.mark.multiprocess

TOGETHER = ("--set", "strategy.multi_worker=true")
# 70 images in batches of 32, half of each for a process: the last batch of an epoch has
# 6, and the second process none of them. 50 test images: its last share has 2 of 16.
NUM_IMAGES = {"train": 70, "val": 50}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without dropout, whose masks depend on the number of replicas.

    It learns slowly: large steps would turn a difference of rounding into another run.
    """
    folder = tmp_path_factory.mktemp("config")
    prepare_digits(folder, Layout.MANIFEST)
    for name, count in NUM_IMAGES.items():
        table = folder / f"{name}.csv"
        lines = table.read_text().splitlines(True)
        table.write_text("".join(lines[: count + 1]))
    data = f"{{kind: manifest, train: {folder}/train.csv, test: {folder}/val.csv,"
    path = folder / "job.yaml"
    path.write_text(
        edited(
            ("dropout_rate: 0.2", "dropout_rate: 0.0"),
            ("hidden: 64}", "hidden: 64, dropout_rate: 0.0}"),
            ("{kind: digits, batch_size: 96,", f"{data} batch_size: 32,"),
            ("{kind: shift}", "{kind: none}"),
            ("initial: 0.3", "initial: 0.003"),
            ("steps: 60", "steps: 9"),
            ("steps_per_loop: 5", "steps_per_loop: 2"),
            ("log_every: 20", "log_every: 3"),
            ("checkpoint_every: 20", "checkpoint_every: 3"),
        )
    )
    return path


def finish_together(machine: Machine, *arguments: str | Path) -> list[Process]:
    """Runs two workers to their end, which must be a good one for both."""
    workers = machine.start_workers(2, *arguments, *TOGETHER)
    for worker in workers:
        assert worker.wait() == 0, worker
    return workers


@pytest.fixture(scope="module")
def together(
    config: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A run of two workers that only tests look at, and what each has said."""
    folder = tmp_path_factory.mktemp("together")
    with new_machine(folder / "logs") as started:
        command = ("train", config, "--workdir", folder / "run")
        workers = finish_together(started, *command)
    return folder / "run", [worker.errors for worker in workers]


def test_two_processes_equal_one(
    machine: Machine, config: Path, together: tuple[Path, list[str]], tmp_path: Path
) -> None:
    run, (chief, other) = together
    alone = tmp_path / "alone"
    finish(machine, "train", config, "--workdir", alone)
    assert_close(run, alone)
    for one, two in zip(history(run), history(alone), strict=True):
        for name in ("train/loss", "train/top1", "test/loss", "test/top1"):
            assert one.get(name) == pytest.approx(two.get(name), abs=1e-6)
    assert "step 9/9" in chief
    assert "step" not in other
    assert "Traceback" not in chief + other


def test_only_the_chief_writes(together: tuple[Path, list[str]]) -> None:
    run, _ = together
    assert saved_steps(run) == [3, 6, 9]
    assert [line["step"] for line in history(run)] == [3, 6, 9, 9]
    assert len(list(run.glob("tensorboard/events*"))) == 1
    assert {path.name for path in run.iterdir()} == {
        "checkpoints",
        "config.yaml",
        "metrics.json",
        "metrics.jsonl",
        "pictures",
        "tensorboard",
    }


def longer(config: Path, folder: Path, checkpoint_every: int) -> Path:
    """The same run with time to be stopped in: it draws after every step."""
    text = config.read_text().replace("steps: 9\n", f"steps: {STEPS}\n")
    text = text.replace("log_every: 3", "log_every: 1\n  images_every: 1")
    path = folder / f"every{checkpoint_every}.yaml"
    path.write_text(
        text.replace("checkpoint_every: 3", f"checkpoint_every: {checkpoint_every}")
    )
    return path


STEPS = 20


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``job.yaml`` that saves only at its end, and its ``run`` by two processes."""
    folder = tmp_path_factory.mktemp("whole")
    job = longer(config, folder, 1000).rename(folder / "job.yaml")
    with new_machine(folder / "logs") as started:
        finish_together(started, "train", job, "--workdir", folder / "run")
    return folder


def test_sigterm_to_one_stops_both_at_the_same_step(
    machine: Machine, whole: Path, tmp_path: Path
) -> None:
    run, before = tmp_path / "run", 0
    command = ("train", whole / "job.yaml", "--workdir", run)
    for stopped in (0, 1):
        workers = machine.start_workers(2, *command, *TOGETHER)
        wait_for_step(run, before + 4, *workers)
        workers[stopped].send(signal.SIGTERM)
        for worker in workers:
            assert worker.wait() == 42, worker
        step = saved_steps(run)[-1]
        assert before < step == last_step(run) < STEPS
        assert (f"Resuming after step {before}." in workers[0].errors) == bool(before)
        for worker in workers:
            assert f"after step {step}, which is saved" in worker.errors
            assert "Traceback" not in worker.errors
        before = step

    chief, _ = finish_together(machine, *command)
    assert f"Resuming after step {before}." in chief.errors
    assert_reported_once(run)
    # Not to the bit: two jobs of the same processes, never stopped, may already differ
    # by rounding, which one process alone never does.
    assert_close(run, whole / "run")


def test_kill_9_of_one_ends_both_and_the_job_resumes(
    machine: Machine, config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ("train", longer(config, tmp_path, 5), "--workdir", run)
    chief, other = machine.start_workers(2, *command, *TOGETHER)
    wait_for_step(run, 7, chief, other)
    other.send(signal.SIGKILL)
    assert other.wait() == -signal.SIGKILL
    assert chief.wait() == 1, chief
    assert "Start all of them again" in " ".join(chief.errors.split())
    assert "Traceback" not in chief.errors
    newest = saved_steps(run)[-1]
    chief, _ = finish_together(machine, *command)
    assert f"Resuming after step {newest}." in chief.errors
    assert last_step(run) == STEPS
    assert_reported_once(run)


def test_folders_that_are_not_shared_are_refused(
    machine: Machine, config: Path, together: tuple[Path, list[str]], tmp_path: Path
) -> None:
    shared = shutil.copytree(together[0], tmp_path / "shared")
    workers = machine.start_workers(
        2,
        "train",
        config,
        *TOGETHER,
        "--workdir",
        last=[shared, tmp_path / "own"],
    )
    for worker in workers:
        assert worker.wait() == 3, worker
        assert "9, 0" in worker.errors
        assert "--workdir" in worker.errors


@pytest.mark.parametrize("text", ["", "{", '{"cluster": {"worker": []}}'])
def test_a_cluster_that_is_not_described_is_refused(
    text: str, machine: Machine, config: Path, tmp_path: Path
) -> None:
    command = ("train", config, "--workdir", tmp_path / "run", *TOGETHER)
    process = machine.start(*command, TF_CONFIG=text)
    assert process.wait() == 2, process
    assert "TF_CONFIG" in process.errors
    assert "Traceback" not in process.errors
    assert not (tmp_path / "run").exists()
