"""Benchmarks of clipping ranges, on few weights."""

import os

from tools.benchmark import BENCHMARKS
from tools.benchmark.clipping_peers import clipping_peers
from tools.benchmark.range_solving import range_solving


def test_each_method_is_timed_on_one_core():
    allowed = os.sched_getaffinity(0)
    found = range_solving(1, 64, group_size=20, bits=3)
    assert found["benchmark"] in BENCHMARKS
    assert {"newton", "octav", "quantize"} < set(found["weights_per_second"])
    assert min(found["weights_per_second"].values()) > 0
    assert os.sched_getaffinity(0) == allowed


def test_no_peer_leaves_less_noise(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # drawn matrices only
    found = clipping_peers(64)
    assert found["benchmark"] in BENCHMARKS
    assert found["least_lead"] >= 0
    for kind in found["decibels"].values():
        for peers in kind.values():
            assert peers["newton"] >= peers["octav"]
            assert peers["als"] >= peers["newton"] - 1e-6
