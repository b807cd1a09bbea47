"""How long one run of an exported model takes on this machine."""

import statistics
import time
from collections.abc import Callable
from typing import Any


def median_latency(run: Callable[[], Any], runs: int = 50, warmup: int = 5) -> float:
    """The median wall time of one call, in seconds.

    Args:
      run: what to time; called ``warmup + runs`` times.
      runs: calls that count.
      warmup: calls before them, which pay for allocation and caches.
    """
    for _ in range(warmup):
        run()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
