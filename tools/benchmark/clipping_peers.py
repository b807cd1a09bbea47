"""Noise of quantized matrices: our ranges against the grids of other programs."""

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from tfmodels.errors import ConfigError
from tools.benchmark.timing import machine
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version

if TYPE_CHECKING:
    import numpy as np

    Make = Callable[[np.ndarray, int], np.ndarray]

_OURS = ("newton", "als", "als_multistart")
_STORIES = Path("data/stories260k/stories260K.bin")


def clipping_peers(
    size: int = 256, group_size: int = 32, bits: tuple[int, ...] = (4, 3, 2)
) -> dict[str, Any]:
    """Signal to noise in decibels, all groups of a kind of matrix together.

    Kinds: four laws, and the matrices of stories260K where `data/stories260k` is.
    Peers: min-max; OCTAV's rule on a signed grid; GPTQ's grid search and HQQ, made
    again from their programs. Where the Python that TFMODELS_TORCH_PYTHON names has
    HQQ, also `hqq_package`, itself. `least_lead` is the smallest lead of
    `als_multistart` over the best peer.

    Args:
      size: rows and columns of a drawn matrix.
      group_size: weights that share a grid.
      bits: of a code.
    """
    import numpy as np

    from tools.benchmark.quantizer_peers import gptq_grid
    from tools.benchmark.quantizer_peers import hqq

    matrices = _matrices(size, group_size)
    makers: dict[str, Make] = {name: _made(name, "real") for name in _OURS}
    peers: dict[str, Make] = {
        "minmax": _made("minmax", "real"),
        "octav": _made("octav", "symmetric"),
        "gptq_grid": gptq_grid,
        "hqq": hqq,
    }
    package, noise = _package(matrices, group_size, bits)
    found: dict[str, dict[str, dict[str, float]]] = {}
    leads = []
    for kind, weights in matrices.items():
        groups = weights.reshape(-1, group_size).astype(np.float64)
        power = float(np.square(groups).sum())
        for number in bits:
            errors = {
                name: float(np.square(make(groups, number) - groups).sum())
                for name, make in (makers | peers).items()
            }
            if noise:
                errors["hqq_package"] = noise[kind][str(number)]
            decibels = {n: float(10 * np.log10(power / e)) for n, e in errors.items()}
            found.setdefault(kind, {})[f"{number} bits"] = decibels
            best = max(value for name, value in decibels.items() if name not in _OURS)
            leads.append(decibels["als_multistart"] - best)
    return {
        "benchmark": "clipping_peers",
        "group_size": group_size,
        "hqq_package": package or "not there: made again only",
        "decibels": found,
        "least_lead": min(leads),
        "machine": machine(),
    }


def _made(method: str, zero_point: Any) -> "Make":
    def make(groups: "np.ndarray", bits: int) -> "np.ndarray":
        from tfmodels.quantization.grid import quantize
        from tfmodels.quantization.ranges import solve

        low, high = solve(groups, bits, method)
        return quantize(groups, low, high, bits, zero_point).dequantize()

    return make


def _matrices(size: int, group_size: int) -> "dict[str, np.ndarray]":
    """Of each kind, float32 [R, n], n a multiple of the groups' size."""
    import numpy as np

    random = np.random.default_rng(0)
    shape = (size, size)
    drawn = {
        "gauss": random.standard_normal(shape),
        "gauss_around_1": random.standard_normal(shape) + 1,
        "laplace": random.laplace(size=shape),
        "student_4": random.standard_t(4, shape),
    }
    found = {name: 0.02 * x.astype(np.float32) for name, x in drawn.items()}
    if _STORIES.exists():
        from tools.convert.llama2c import read_llama2c
        from trainers.configuration import load_experiment

        model: Any = load_experiment("optimal_clipping/stories260k").model
        arrays = read_llama2c(_STORIES, model)
        rows = [x.T for name, x in arrays.items() if name.endswith("/kernel")]
        whole = [x[:, : x.shape[1] // group_size * group_size] for x in rows]
        flat = [x.reshape(-1, group_size) for x in whole]
        found["stories260k"] = np.ascontiguousarray(np.concatenate(flat))
    return found


def _package(
    matrices: "dict[str, np.ndarray]", group_size: int, bits: tuple[int, ...]
) -> tuple[str | None, dict[str, dict[str, float]]]:
    """The version of HQQ that is there, and its squared errors; none without it."""
    import numpy as np

    arrays: dict[str, Any] = dict(matrices)
    try:
        version = torch_version(torch_python(), "hqq.core.quantize", "hqq")
    except ConfigError:
        return None, {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "matrices.npz"
        np.savez(path, **arrays)
        worker = Path(__file__).with_name("torch_hqq.py")
        done = subprocess.run(
            [torch_python(), worker, path, str(group_size), *map(str, bits)],
            capture_output=True,
            text=True,
            check=True,
        )
    errors: dict[str, dict[str, float]] = json.loads(done.stdout)
    return f"HQQ {version}", errors
