"""Forward-backward against PyChain's, on the same graph, scores and cores."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tfmodels.errors import ConfigError
from tools.benchmark.forward_backward import SIZES
from tools.benchmark.forward_backward import Sizes
from tools.benchmark.forward_backward import random_graph
from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine
from tools.benchmark.timing import rates

_VARIABLE = "TFMODELS_TORCH_PYTHON"
_PROGRAM = Path(__file__).with_name("torch_pychain.py")
_LEAK = 1e-5
_FORMS = ("log", "leaky")


def forward_backward_peer(
    rounds: int = 15, num_calls: int = 5, sizes: Sizes = SIZES
) -> dict[str, Any]:
    """Seconds of one forward and backward pass, ours over the peer's, and differences.

    Both run on the same two cores, taking turns. `log` is the log domain, `leaky` the
    probability domain of chain models. The variable TFMODELS_TORCH_PYTHON names a
    Python that has PyTorch and PyChain's extension.

    Raises:
      ConfigError: there is no PyChain.
    """
    interpreter = os.environ.get(_VARIABLE, sys.executable)
    torch = pychain_torch_version(interpreter)
    cores = two_cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        problem = folder / "problem.npz"
        _save_problem(problem, sizes)
        settings = json.dumps({"problem": str(problem), "threads": len(cores)})
        worker = ["-m", "tools.benchmark.forward_backward_worker"]
        arguments = {"ours": (worker, sys.executable)}
        arguments["pychain"] = ([str(_PROGRAM)], interpreter)
        rivals = {
            name: stack.enter_context(
                Rival([*program, settings], cores, interpreter=python)
            )
            for name, (program, python) in arguments.items()
        }
        for rival in rivals.values():
            rival.answer()
        differences = {form: _difference(rivals, form, folder) for form in _FORMS}
        turns = {
            _key(name, form): partial(_work, rival, form, num_calls)
            for form in _FORMS
            for name, rival in rivals.items()
        }
        per_second = rates(turns, rounds)
    seconds = {name: 1 / rate for name, rate in per_second.items()}
    return {
        "benchmark": "forward_backward_peer",
        "peer": f"pychain_C of PyChain, PyTorch {torch}",
        "sizes": asdict(sizes),
        "rounds": rounds,
        "calls_per_turn": num_calls,
        "seconds": seconds,
        "log_over_pychain": seconds["log"] / seconds["log_pychain"],
        "leaky_over_pychain": seconds["leaky"] / seconds["leaky_pychain"],
        "difference": differences,
        "machine": machine(),
    }


def pychain_torch_version(interpreter: str) -> str:
    """The PyTorch of a Python that has PyChain's extension too.

    Raises:
      ConfigError: it lacks one of them.
    """
    code = "import numpy, torch, pychain_C; print(torch.__version__)"
    try:
        found = subprocess.run(
            [interpreter, "-c", code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"{_VARIABLE}: no PyChain to compare with. Expected the path of a Python"
            " that has PyTorch, NumPy and the extension `pychain_C`, which is built"
            " from the folder `pytorch_binding` of PyChain's sources. Without a GPU,"
            " build its .cc files as a C++ extension, with empty functions instead of"
            f" the CUDA kernels. Received {interpreter!r}: {error}"
        ) from None
    return found.stdout.strip()


def _save_problem(path: Path, sizes: Sizes) -> None:
    import numpy as np

    from tfmodels.lattices.graph import arcs

    shape = (sizes.batch, sizes.frames, sizes.pdfs)
    scores = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    graph = arcs(random_graph(sizes))._asdict()
    np.savez(path, scores=scores, leak=_LEAK, **graph)


def _difference(rivals: dict[str, Rival], form: str, folder: Path) -> dict[str, float]:
    """Of what both compute: the summed log weights, and the largest of a gradient."""
    import numpy as np

    results = []
    for name, rival in rivals.items():
        path = folder / f"{name}.npz"
        rival.ask(form=form, save=str(path))
        with np.load(path) as file:
            results.append(dict(file))
    ours, peer = results
    objective = float(ours["objective"] / peer["objective"])
    gradient = np.abs(ours["gradient"] - peer["gradient"]).max()
    return {
        "objective_relative": abs(objective - 1),
        "largest_of_gradient": float(gradient),
    }


def _work(rival: Rival, form: str, num_calls: int) -> float:
    rival.ask(form=form, calls=num_calls)
    return float(num_calls)


def _key(name: str, form: str) -> str:
    return form if name == "ours" else f"{form}_{name}"
