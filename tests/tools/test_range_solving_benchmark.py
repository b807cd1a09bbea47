"""The benchmark of clipping ranges, on few weights."""

import os

from tools.benchmark import BENCHMARKS
from tools.benchmark.range_solving import range_solving


def test_each_method_is_timed_on_one_core():
    allowed = os.sched_getaffinity(0)
    found = range_solving(1, 64, group_size=20, bits=3)
    assert found["benchmark"] in BENCHMARKS
    assert {"newton", "octav", "quantize"} < set(found["weights_per_second"])
    assert min(found["weights_per_second"].values()) > 0
    assert os.sched_getaffinity(0) == allowed
