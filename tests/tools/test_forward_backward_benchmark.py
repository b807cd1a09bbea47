"""The harness of forward-backward benchmarks, at sizes that say nothing of speed."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfmodels.errors import ConfigError
from tfmodels.lattices.graph import arcs
from tools.benchmark import BENCHMARKS
from tools.benchmark.forward_backward import Sizes
from tools.benchmark.forward_backward import forward_backward
from tools.benchmark.forward_backward import random_graph
from tools.benchmark.forward_backward_peer import forward_backward_peer
from tools.benchmark.forward_backward_peer import pychain_torch_version
from tools.benchmark.rivals import Rival

SIZES = Sizes(states=4, arcs=8, frames=3, batch=2, pdfs=3)


@pytest.mark.slow
def test_every_rival_works() -> None:
    found = forward_backward(rounds=1, sizes=SIZES)
    assert found["benchmark"] in BENCHMARKS
    assert found["sizes"]["arcs"] == 8
    assert len(found["seconds"]) == 5
    assert min(found["seconds"].values()) > 0


@pytest.mark.slow
def test_the_worker_computes_both_forms(tmp_path: Path) -> None:
    graph = random_graph(SIZES)
    scores = np.random.default_rng(2).normal(size=(2, 3, 3)).astype(np.float32)
    problem = {**arcs(graph)._asdict(), "scores": scores, "leak": 1e-9}
    settings = {"problem": str(tmp_path / "problem.npz")}
    np.savez(settings["problem"], **problem)
    arguments = ["-m", "tools.benchmark.forward_backward_worker", json.dumps(settings)]
    # The weight of all paths as a product of matrices, one for each frame.
    matrices = np.zeros([2, 3, 4, 4])
    for arc in range(graph.num_arcs):
        weight = np.exp(graph.weight[arc] + scores[:, :, graph.pdf[arc]])
        matrices[:, :, graph.source[arc], graph.target[arc]] += weight
    weights = [np.linalg.multi_dot([*rows, np.ones(4)]).sum() for rows in matrices]
    with Rival(arguments, sorted(os.sched_getaffinity(0))) as worker:
        worker.answer()
        for form in ("log", "leaky"):
            worker.ask(form=form, calls=2, save=str(tmp_path / f"{form}.npz"))
            with np.load(tmp_path / f"{form}.npz") as found:
                expected = np.log(weights).sum()
                np.testing.assert_allclose(found["objective"], expected, rtol=1e-6)
                sums = found["gradient"].sum(axis=-1)
            np.testing.assert_allclose(sums, np.ones([2, 3]), atol=1e-5)


def test_without_pychain() -> None:
    for interpreter in ("/no/such/python", "/bin/false"):
        with pytest.raises(ConfigError, match="pytorch_binding"):
            pychain_torch_version(interpreter)


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_pychain_computes_the_same() -> None:
    try:
        pychain_torch_version(os.environ.get("TFMODELS_TORCH_PYTHON", sys.executable))
    except ConfigError:
        pytest.skip("no PyChain")
    sizes = replace(SIZES, states=20, arcs=60, frames=9)
    found = forward_backward_peer(rounds=1, num_calls=1, sizes=sizes)
    assert found["benchmark"] in BENCHMARKS
    assert found["log_over_pychain"] > 0
    assert found["leaky_over_pychain"] > 0
    for difference in found["difference"].values():
        assert difference["objective_relative"] < 1e-5
        assert difference["largest_of_gradient"] < 1e-5
