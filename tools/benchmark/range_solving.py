"""Clipping ranges of a large matrix: weights per second of each method, one thread."""

import os
from collections.abc import Callable
from typing import Any

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates

_METHODS = ("newton", "exact_symmetric", "octav", "minmax")


def range_solving(
    rounds: int = 5, size: int = 2048, group_size: int = 32, bits: int = 4
) -> dict[str, Any]:
    """Times `tfmodels.quantization.ranges.solve` of normal weights, on one core.

    `quantize` and `pack` are timed beside the methods, on the ranges of the first one.
    """
    allowed = os.sched_getaffinity(0)
    # Before the threads of NumPy's libraries, which inherit it, are started.
    os.sched_setaffinity(0, [min(allowed)])
    import numpy as np

    from tfmodels.quantization.grid import quantize
    from tfmodels.quantization.packing import pack
    from tfmodels.quantization.packing import stored_bits
    from tfmodels.quantization.ranges import solve

    weights = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    low, high = solve(weights, bits, _METHODS[0], group_size)
    codes = quantize(weights, low, high, bits, group_size=group_size).codes

    def solving(method: str) -> Callable[[], float]:
        def work() -> float:
            solve(weights, bits, method, group_size)
            return float(weights.size)

        return work

    def quantizing() -> float:
        quantize(weights, low, high, bits, group_size=group_size)
        return float(weights.size)

    def packing() -> float:
        pack(codes, stored_bits(bits))
        return float(weights.size)

    rivals = {method: solving(method) for method in _METHODS}
    per_second = rates({**rivals, "quantize": quantizing, "pack": packing}, rounds)
    os.sched_setaffinity(0, allowed)
    return {
        "benchmark": "range_solving",
        "rows": size,
        "width": size,
        "group_size": group_size,
        "bits": bits,
        "rounds": rounds,
        "weights_per_second": per_second,
        "machine": machine(),
    }
