"""Interleaved timing: rivals take turns, so that noise strikes all alike."""

import platform
import statistics
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any


def rates(rivals: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median amount of work per second of each rival over interleaved rounds.

    Args:
      rivals: by name, a function that works and returns how much it did.
      rounds: turns each rival gets, after one unmeasured turn to warm up.
    """
    measured: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(rounds + 1):
        for name, work in rivals.items():
            started = time.perf_counter()
            amount = work()
            rate = amount / (time.perf_counter() - started)
            if turn:
                measured[name].append(rate)
    return {name: statistics.median(values) for name, values in measured.items()}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import os
    from importlib.metadata import version

    return {
        "cpus": len(os.sched_getaffinity(0)),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
    }
