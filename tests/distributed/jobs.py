"""A run small enough for several processes, and what its folder says about it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.cluster import Machine
from tests.cluster import Process
from tests.cluster import wait_until
from tests.trainers.small import SMALL
from tests.trainers.small import last_state


def edited(*changes: tuple[str, str]) -> str:
    """The small configuration with some of its text replaced."""
    text = SMALL
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def finish(machine: Machine, *arguments: str | Path) -> Process:
    """Runs one process to its end, which must be a good one."""
    process = machine.start(*arguments)
    assert process.wait() == 0, process
    return process


def history(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; an unfinished one at the end is left out."""
    path = run / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]


def saved_steps(run: Path) -> list[int]:
    """Steps of the checkpoints, oldest first."""
    names = [path.name for path in (run / "checkpoints").glob("step-*")]
    return sorted(int(name.removeprefix("step-")) for name in names)


def last_step(run: Path) -> int:
    """The last step reported; 0 before the first."""
    lines = history(run)
    return int(lines[-1]["step"]) if lines else 0


def wait_for_step(run: Path, step: int, *processes: Process) -> None:
    """Waits until a run, which goes on, has reported a step."""
    wait_until(lambda: last_step(run) >= step, *processes)


def assert_close(left: Path, right: Path) -> None:
    """Same weights, averages, statistics and momenta to 1e-6, absolute and relative."""
    one, two = last_state(left), last_state(right)
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], 1e-6, 1e-6, err_msg=name)


def assert_reported_once(run: Path) -> None:
    """No figure stands twice in metrics.jsonl for the same step, and steps rise."""
    lines = history(run)
    reported = [(line["step"], name) for line in lines for name in line if "/" in name]
    assert len(set(reported)) == len(reported)
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)
