"""A process that runs our forward-backward on a graph, when told to.

Its argument is JSON with ``problem``, an .npz of the graph, the scores and the leak.
Requests are those of `torch_pychain`.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tools.benchmark.rivals import answers
from tools.quiet import load_tensorflow


def main(settings: dict[str, Any]) -> None:
    """Prepares both forms, then answers requests."""
    output = answers()
    load_tensorflow()
    with np.load(settings["problem"]) as file:
        forms = _forms(dict(file))
    print(json.dumps({}), file=output)
    for line in sys.stdin:
        request = json.loads(line)
        compute = forms[request["form"]]
        for _ in range(request.get("calls", 1)):
            log_z, gradient = compute()
        if "save" in request:
            objective = log_z.sum(dtype=np.float64)
            np.savez(request["save"], objective=objective, gradient=gradient)
        print(json.dumps({}), file=output)


def _forms(
    problem: dict[str, np.ndarray],
) -> dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]]:
    import tensorflow as tf

    from tfmodels.lattices.forward_backward import occupancies
    from tfmodels.lattices.graph import Arcs
    from tfmodels.lattices.leaky import leaky_occupancies

    scores = tf.constant(problem["scores"])
    lengths = tf.fill([scores.shape[0]], scores.shape[1])
    graph = Arcs(*(tf.constant(problem[name]) for name in Arcs._fields))

    def compiled(
        function: Callable[..., Any], **options: float
    ) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        compute = tf.function(partial(function, **options), jit_compile=True)

        def run() -> tuple[np.ndarray, np.ndarray]:
            log_z, gradient = compute(scores, lengths, graph)
            return log_z.numpy(), gradient.numpy()

        return run

    leak = float(problem["leak"])
    return {
        "log": compiled(occupancies),
        "leaky": compiled(leaky_occupancies, leak=leak),
    }


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
