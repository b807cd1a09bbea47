"""Runs that are killed, stopped or damaged end with the weights of one left alone."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import Machine
from tests.cluster import machine as new_machine
from tests.distributed.jobs import assert_reported_once
from tests.distributed.jobs import edited
from tests.distributed.jobs import finish
from tests.distributed.jobs import history
from tests.distributed.jobs import last_step
from tests.distributed.jobs import saved_steps
from tests.distributed.jobs import wait_for_step
from tests.trainers.small import assert_same_state

pytestmark = pytest.mark.multiprocess

STEPS, EPOCH, SAVED = 150, 15, 40


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``job.yaml``; ``whole``, a run left alone; ``killed``, one killed in an epoch."""
    folder = tmp_path_factory.mktemp("job")
    config = folder / "job.yaml"
    config.write_text(
        edited(
            ("steps: 60", f"steps: {STEPS}"),
            ("steps_per_loop: 5", "steps_per_loop: 1"),
            ("checkpoint_every: 20", f"checkpoint_every: {SAVED}"),
            ("log_every: 20", "log_every: 1"),
        )
    )
    with new_machine(folder / "logs") as started:
        finish(started, "train", config, "--workdir", folder / "whole")
        process = started.start("train", config, "--workdir", folder / "killed")
        wait_for_step(folder / "killed", 2 * SAVED + 3, process)
        process.send(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    return folder


def resume(machine: Machine, job: Path, run: Path) -> str:
    """Goes on with a run to its end, which must be that of ``whole``; its messages."""
    process = finish(machine, "train", job / "job.yaml", "--workdir", run)
    assert_same_state(run, job / "whole")
    assert_reported_once(run)
    expected = [line["step"] for line in history(job / "whole")]
    assert [line["step"] for line in history(run)] == expected
    assert (run / "metrics.json").exists()
    return process.errors


def test_kill_9_in_mid_epoch(machine: Machine, job: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(job / "killed", tmp_path / "run"))
    assert saved_steps(run)[-1] < last_step(run) < STEPS
    assert saved_steps(run)[-1] % EPOCH  # the epoch is under way where it resumes
    assert not (run / "metrics.json").exists()
    messages = resume(machine, job, run)
    assert f"Resuming after step {2 * SAVED}." in messages


def test_sigterm_saves_the_step_it_stops_at(
    machine: Machine, job: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = machine.start("train", job / "job.yaml", "--workdir", run)
    wait_for_step(run, SAVED + 3, process)
    process.send(signal.SIGTERM)
    assert process.wait() == 42, process
    step = saved_steps(run)[-1]
    assert step == last_step(run) < STEPS
    assert step % SAVED
    assert f"after step {step}, which is saved" in process.errors
    assert "Traceback" not in process.errors
    messages = resume(machine, job, run)
    assert f"Resuming after step {step}." in messages


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": lambda folder: flip(folder / "state.data-00000-of-00001"),
    "folder deleted": shutil.rmtree,
}
"""Further kinds are those of tests/trainers/test_checkpoints.py."""


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_to_the_newest_checkpoint(
    kind: str, machine: Machine, job: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(job / "killed", tmp_path / "run"))
    newest = run / "checkpoints" / f"step-{2 * SAVED:08d}"
    DAMAGE[kind](newest)
    messages = resume(machine, job, run)
    assert f"Resuming after step {SAVED}." in messages
    # Nobody can tell a folder that is gone from one that never was.
    assert (newest.name in messages) == (kind != "folder deleted")


def test_nothing_intact_is_refused_and_left_alone(
    machine: Machine, job: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(job / "killed", tmp_path / "run"))
    for folder in (run / "checkpoints").glob("step-*"):
        (folder / "state.index").unlink()
    before = saved_steps(run), history(run)
    process = machine.start("train", job / "job.yaml", "--workdir", run)
    assert process.wait() == 3, process
    assert "another --workdir" in " ".join(process.errors.split())
    assert "Traceback" not in process.errors
    assert (saved_steps(run), history(run)) == before


def test_a_finished_run_reports_nothing_twice(
    machine: Machine, job: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(job / "whole", tmp_path / "run"))
    resume(machine, job, run)
