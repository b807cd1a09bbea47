"""The harness of TFLite's latencies, at sizes that say nothing of speed."""

import pytest

from tools.benchmark import BENCHMARKS
from tools.benchmark.tflite_latency import tflite_latency


@pytest.mark.slow
def test_every_file_runs() -> None:
    module = {"pass_through": 8, "group_3x3": (8, 8)}
    sizes = {"input_shape": (32, 32, 3), "stages": ((module,),), "heads": ()}
    found = tflite_latency(rounds=1, num_threads=1, sizes=sizes)
    assert found["benchmark"] in BENCHMARKS
    assert found["bytes"].keys() == found["milliseconds_per_image"].keys()
    for numbers in ("float32", "int8"):
        assert found["bytes"][f"{numbers}_fused"] != found["bytes"][numbers]
    times = found["milliseconds_per_image"]
    for numbers, ratio in found["fused_over_unfused"].items():
        assert ratio == times[f"{numbers}_fused"] / times[numbers]
