"""How long one run of an exported model takes on this machine."""

import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from export.runtime import LiteProgram


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


def tflite_latency(
    path: Path, num_threads: int = 2, runs: int = 50
) -> dict[str, float]:
    """The median time of each endpoint of a .tflite file, in seconds.

    Args:
      path: a .tflite file; its inputs are filled with zeros of their own type.
      num_threads: CPU threads an endpoint may use.
      runs: calls that count.

    Raises:
      DataError: LiteRT cannot read the file.
    """
    program = LiteProgram(path, num_threads)
    latencies = {}
    for name, endpoint in program.describe(path.name).endpoints.items():
        zeros = {
            tensor: np.zeros([size or 1 for size in entry.shape], entry.dtype)
            for tensor, entry in endpoint.inputs.items()
        }
        call = functools.partial(program, name, zeros)
        latencies[name] = median_latency(call, runs)
    return latencies
