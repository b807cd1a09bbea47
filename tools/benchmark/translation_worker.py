"""A program that trains GNMT, from a file of text on, when it is told to.

Its arguments are changes to ``gnmt/tiny``. Each line on standard input, ``{"steps":
N}``, is answered with the CPU seconds that they took and their mean loss.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

from tools.benchmark.rivals import answers
from tools.quiet import load_tensorflow


def main(overrides: list[str]) -> None:
    """Answers requests until there are no more."""
    output = answers()
    load_tensorflow()
    parameters, train = _trainer(overrides)
    train(1)
    print(json.dumps({"parameters": parameters}), file=output)
    for line in sys.stdin:
        print(json.dumps(train(json.loads(line)["steps"])), file=output)


def _trainer(overrides: list[str]) -> tuple[int, Callable[[int], dict[str, Any]]]:
    """How many weights there are; trains some steps and says how that went."""
    from trainers.configuration import load_experiment
    from trainers.stages import plan_stages
    from trainers.strategies.data_parallel.strategy import DataParallel

    experiment: Any = load_experiment("gnmt/tiny", overrides)
    strategy = DataParallel(experiment.strategy, experiment.run)
    stages = plan_stages(experiment)
    placed = strategy.build(stages)
    trainable = strategy.prepare(placed, stages[0], 0)

    def train(num_steps: int) -> dict[str, Any]:
        started = time.process_time()
        total, weight = trainable.run(num_steps).totals["loss"]
        seconds = time.process_time() - started
        return {
            "cpu_seconds": seconds,
            "loss": float(total / weight),
            "tokens": float(weight),
        }

    weights = placed.model.trainable_variables
    return sum(math.prod(weight.shape) for weight in weights), train


if __name__ == "__main__":
    main(sys.argv[1:])
