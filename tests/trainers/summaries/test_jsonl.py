"""The file of metrics: its lines, a resume, a killed process."""

import json
import math
from pathlib import Path

import pytest

from trainers.summaries.jsonl import JsonlWriter
from trainers.summaries.jsonl import read_scalars


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, steps: range, resume_step: int, value: float = 0.5) -> None:
    writer = JsonlWriter(path, resume_step, clock=lambda: 12.3456)
    for step in steps:
        writer.scalars(step, {"train/loss": value})
    writer.close()


def test_a_call_is_a_line_that_can_be_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "metrics.jsonl"
    writer = JsonlWriter(path, resume_step=0, clock=lambda: 12.3456)
    writer.scalars(3, {"train/loss": 0.25, "test/top1": 1})
    assert lines(path) == [
        {"step": 3, "time": 12.346, "train/loss": 0.25, "test/top1": 1.0}
    ]
    writer.close()


def test_resuming_removes_the_steps_that_will_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, range(1, 8), resume_step=0, value=1.0)
    write(path, range(5, 10), resume_step=4, value=2.0)
    assert read_scalars(path) == {
        "train/loss": [(step, 1.0 if step <= 4 else 2.0) for step in range(1, 10)]
    }
    assert [line["step"] for line in lines(path)] == list(range(1, 10))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, range(1, 4), resume_step=0)
    path.write_bytes(path.read_bytes()[:-cut])
    assert [step for step, _ in read_scalars(path)["train/loss"]] == [1, 2]
    write(path, range(3, 5), resume_step=3)
    assert [line["step"] for line in lines(path)] == [1, 2, 3, 4]


def test_damage_in_the_middle_loses_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, range(1, 4), resume_step=0)
    damaged = path.read_bytes().split(b"\n")
    damaged[1] = b"\x00\xff" + damaged[1][2:]
    path.write_bytes(b"\n".join(damaged))
    assert [step for step, _ in read_scalars(path)["train/loss"]] == [1, 3]


def test_values_that_are_not_finite_stay_valid_json(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path, resume_step=0)
    writer.scalars(1, {"train/loss": float("nan"), "train/norm": float("inf")})
    writer.close()
    refuse = pytest.fail
    line = json.loads(path.read_text(), parse_constant=refuse)
    assert line["train/loss"] is line["train/norm"] is None
    assert math.isnan(read_scalars(path)["train/loss"][0][1])
