"""Interleaved timing: rivals take turns, so that noise strikes all alike."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any


def rates(rivals: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median amount of work per second of each rival over interleaved rounds.

    Every round begins with another rival: none always follows the same one.

    Args:
      rivals: by name, a function that works and returns how much it did.
      rounds: turns each rival gets, after one unmeasured turn to warm up.
    """
    measured: dict[str, list[float]] = {name: [] for name in rivals}
    order = list(rivals)
    for turn in range(rounds + 1):
        order = [*order[1:], order[0]]
        for name in order:
            work = rivals[name]
            started = time.perf_counter()
            amount = work()
            rate = amount / (time.perf_counter() - started)
            if turn:
                measured[name].append(rate)
    return {name: statistics.median(values) for name, values in measured.items()}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
    }


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()
