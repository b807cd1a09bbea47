"""The harness of the forward-backward benchmark, at sizes that say nothing of speed."""

import pytest

from tools.benchmark import BENCHMARKS
from tools.benchmark.forward_backward import Sizes
from tools.benchmark.forward_backward import forward_backward


@pytest.mark.slow
def test_every_rival_works() -> None:
    sizes = Sizes(states=4, arcs=8, frames=3, batch=2, pdfs=3)
    found = forward_backward(rounds=1, sizes=sizes)
    assert found["benchmark"] in BENCHMARKS
    assert found["sizes"]["arcs"] == 8
    assert len(found["seconds"]) == 5
    assert min(found["seconds"].values()) > 0
