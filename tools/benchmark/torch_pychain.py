"""A program that runs PyChain's forward-backward on a graph, when told to.

Needs PyTorch, NumPy and PyChain's extension `pychain_C`, and nothing of this project.
Its argument is JSON: ``problem``, an .npz of the graph, the scores and the leak, and
``threads``. Each line on standard input, ``{"form": F, "calls": N}`` with the form
``"log"`` or ``"leaky"``, is answered when they are done; ``"save": path`` saves the
results of the last.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch

_LARGEST_SCORE = 30.0
# It needs the libraries that `torch` loads, so that it comes after.
_pychain = import_module("pychain_C")


def main(settings: dict[str, Any]) -> None:
    """Prepares both forms, then answers requests."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(settings["threads"])
    with np.load(settings["problem"]) as file:
        problem = dict(file)
    forms = {"log": _log(problem), "leaky": _leaky(problem)}
    print(json.dumps({"torch": torch.__version__}), file=output)
    for line in sys.stdin:
        request = json.loads(line)
        compute = forms[request["form"]]
        for _ in range(request.get("calls", 1)):
            objective, gradient = compute()
        if "save" in request:
            np.savez(request["save"], objective=objective, gradient=gradient)
        print(json.dumps({}), file=output)


def _log(problem: dict[str, np.ndarray]) -> Callable[[], tuple[Any, Any]]:
    """A function that computes in the log domain, as `ChainFunction` does."""
    graph, scores, lengths = _tensors(problem, log_domain=True)

    def compute() -> tuple[Any, Any]:
        clamped = scores.clamp(-_LARGEST_SCORE, _LARGEST_SCORE)
        objective, gradient, _ = _pychain.forward_backward_log_domain(
            *graph, clamped, *lengths, len(problem["initial"])
        )
        return objective.numpy(), gradient.exp().numpy()

    return compute


def _leaky(problem: dict[str, np.ndarray]) -> Callable[[], tuple[Any, Any]]:
    """The same in the probability domain, with a leak to the states that may begin."""
    graph, scores, lengths = _tensors(problem, log_domain=False)
    leak = float(problem["leak"])

    def compute() -> tuple[Any, Any]:
        weights = scores.clamp(-_LARGEST_SCORE, _LARGEST_SCORE).exp()
        objective, gradient, _ = _pychain.forward_backward(
            *graph, weights, *lengths, len(problem["initial"]), leak
        )
        return objective.numpy(), gradient.numpy()

    return compute


def _tensors(
    problem: dict[str, np.ndarray], log_domain: bool
) -> tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
    """The graph of each utterance, their scores, and how many last until when."""
    scores = torch.from_numpy(problem["scores"])
    batch, frames, _ = scores.shape

    def weights(values: np.ndarray) -> torch.Tensor:
        return _copies(values if log_domain else np.exp(values), batch)

    graph = []
    for end in ("source", "target"):  # Out of each state, then into each.
        order = np.argsort(problem[end], kind="stable")
        arcs = [problem[name][order] for name in ("source", "target", "pdf")]
        bounds = [
            np.searchsorted(problem[end][order], range(len(problem["initial"])), side)
            for side in ("left", "right")
        ]
        graph += [
            _copies(np.stack(arcs, axis=-1).astype(np.int32), batch),
            _copies(np.stack(bounds, axis=-1).astype(np.int32), batch),
            weights(problem["weight"][order]),
        ]
    initial = weights(problem["initial"])
    starts = [initial] if log_domain else [initial, initial]
    start_states = torch.zeros(batch, dtype=torch.int64)
    graph += [*starts, weights(problem["final"]), start_states]
    active = torch.full([frames], batch, dtype=torch.int64)
    return graph, scores, [active, torch.full([batch], frames, dtype=torch.int64)]


def _copies(values: np.ndarray, batch: int) -> torch.Tensor:
    """One for each utterance, contiguous."""
    return torch.from_numpy(np.stack([values] * batch))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
