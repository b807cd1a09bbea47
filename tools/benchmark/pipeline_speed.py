"""Two stages on two cores against one, and against themselves without micro-batches."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from tools.benchmark.pipeline_model import SIZES
from tools.benchmark.pipeline_model import Sizes
from tools.benchmark.pipeline_model import pipeline_rival
from tools.benchmark.rivals import compare
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine

_SCHEDULES: dict[str, dict[str, Any]] = {
    "gpipe": {"schedule": "gpipe"},
    "1f1b": {"schedule": "1f1b"},
    "1f1b_inline": {"schedule": "1f1b", "inline": "true"},
    "zb_h1": {"schedule": "zb_h1"},
    "interleaved_1f1b": {"schedule": "interleaved_1f1b", "chunks": 2},
}


def pipeline_speed(
    rounds: int = 9,
    num_steps: int = 3,
    sizes: Sizes = SIZES,
    schedules: Sequence[str] = tuple(_SCHEDULES),
) -> dict[str, Any]:
    """Steps per second of each rival, some steps a turn, and the ratios.

    All make the same steps on the same batches. `one_device` has one core and does the
    same micro-batches one after another. `efficiency` is its time over that of both
    devices, ``T_seq / (K T_pipe)``; `ideal` is ``M / (M + K - 1)``, the bound of
    schedules that do not split the backward pass (arXiv 1811.06965, section 2.3).
    """
    cores = two_cores()
    with ExitStack() as stack:
        rivals = {
            name: stack.enter_context(pipeline_rival(sizes, using, **strategy))
            for name, (using, strategy) in _rivals(cores, schedules).items()
        }
        per_second, answers = compare(rivals, num_steps, rounds)
        planned = {
            name: rivals[name].ask(plan="time")["makespan"] for name in schedules
        }
    ideal = sizes.microbatches / (sizes.microbatches + 1)
    efficiency = {
        name: per_second[name] / per_second["one_device"] / 2 for name in schedules
    }
    makespans = {name: _median(answers[name], "makespan") for name in schedules}
    return {
        "benchmark": "pipeline_speed",
        "sizes": sizes.plain,
        "rounds": rounds,
        "steps_per_turn": num_steps,
        "steps_per_second": per_second,
        "task_milliseconds": _tasks(answers[schedules[0]]),
        "task_milliseconds_one_device": _tasks(answers["one_device"]),
        "over_one_micro_batch": {
            name: per_second[name] / per_second["one_micro_batch"] for name in schedules
        },
        "efficiency": efficiency,
        "ideal": ideal,
        "efficiency_over_ideal": {n: e / ideal for n, e in efficiency.items()},
        "bubble": {name: _median(answers[name], "bubble") for name in schedules},
        "makespan_milliseconds": {n: 1e3 * s for n, s in makespans.items()},
        "planned_milliseconds": {n: 1e3 * s for n, s in planned.items()},
        "planned_over_measured": {n: planned[n] / makespans[n] for n in schedules},
        "machine": machine(),
    }


def _rivals(
    cores: tuple[int, int], schedules: Sequence[str]
) -> dict[str, tuple[tuple[int, ...], dict[str, Any]]]:
    """Cores and strategy of each."""
    return {
        "one_device": (cores[:1], {"stages": 1}),
        "one_micro_batch": (cores, {"stages": 2, "microbatches": 1}),
        **{name: (cores, {"stages": 2, **_SCHEDULES[name]}) for name in schedules},
    }


def _median(answers: list[dict[str, Any]], name: str) -> float:
    return statistics.median(answer[name] for answer in answers)


def _tasks(answers: list[dict[str, Any]]) -> dict[str, float]:
    kinds = answers[0]["tasks"]
    return {kind: 1e3 * _median([a["tasks"] for a in answers], kind) for kind in kinds}
