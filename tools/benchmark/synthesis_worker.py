"""A program that makes steps of a decoder's TFLite file, when told to.

Its arguments are the path of the file and JSON of `synthesis_speed.Sizes`. Each line on
standard input, ``{"steps": N}``, is answered with the CPU seconds that they took.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from tools.benchmark.rivals import answers


def main(path: Path, sizes: dict[str, Any]) -> None:
    """Answers requests until there are no more."""
    output = answers()
    from export.lite_runtime import LiteProgram

    program = LiteProgram(path, num_threads=1)
    step = _stepper(program, sizes["symbols"])
    step(2)
    print(json.dumps({"bytes": path.stat().st_size}), file=output)
    for line in sys.stdin:
        started = time.process_time()
        step(json.loads(line)["steps"])
        seconds = time.process_time() - started
        print(json.dumps({"cpu_seconds": seconds}), file=output)


def _stepper(program: Any, symbols: int) -> Any:
    """A function that makes steps in a text of so many symbols."""
    import numpy as np

    from export.synthesis import STEP

    random = np.random.default_rng(0)
    first = {
        # An axis of any size is that of symbols; LiteRT shows 1 for it.
        name: random.normal(
            size=[*shape[:1], symbols, *shape[2:]] if _has_symbols(name) else shape
        ).astype(np.float32)
        for name, shape in program.inputs(STEP).items()
    }
    first["memory_mask"] = np.ones_like(first["memory_mask"])
    for name in ("state_alignment", "state_cumulative"):
        first[name] = np.zeros_like(first[name])

    def step(count: int) -> None:
        inputs = dict(first)
        for _ in range(count):
            made = program(STEP, inputs)
            inputs |= {n: x for n, x in made.items() if n.startswith("state_")}
            inputs["frame"] = made["frames"][:, -1]

    return step


def _has_symbols(name: str) -> bool:
    return name in (
        "state_alignment",
        "state_cumulative",
        "memory_values",
        "memory_keys",
        "memory_mask",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
