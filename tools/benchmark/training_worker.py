"""A program that trains a configuration, from its files on, when it is told to.

Its arguments are the configuration's name and changes to it. Each line on standard
input, ``{"steps": N}``, is answered with the CPU seconds that they took, their mean
loss, and how often the step has been traced so far.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from tools.benchmark.rivals import answers
from tools.quiet import load_tensorflow

_REPLICAS = "strategy={kind: data_parallel, devices: cpu, replicas: 2}"
WAYS = {
    "ours": ["run.xla=false"],
    "xla": ["run.xla=true"],
    "replicas": ["run.xla=false", _REPLICAS],
    "xla_replicas": ["run.xla=true", _REPLICAS],
}
"""Changes that have a configuration trained in one way or another on two cores. Of two
replicas each has a core and half of each batch."""


def serve(
    name: str, overrides: Sequence[str], change: Callable[[Any], None] | None = None
) -> None:
    """Answers requests until there are no more.

    Args:
      name: of the configuration.
      overrides: changes to it.
      change: what is done to the model before it trains.
    """
    output = answers()
    load_tensorflow()
    parameters, train = _trainer(name, overrides, change)
    ready = {"parameters": parameters, "traces": train(1)["traces"]}
    print(json.dumps(ready), file=output)
    for line in sys.stdin:
        print(json.dumps(train(json.loads(line)["steps"])), file=output)


def _trainer(
    name: str, overrides: Sequence[str], change: Callable[[Any], None] | None
) -> tuple[int, Callable[[int], dict[str, Any]]]:
    """How many weights there are; trains some steps and says how that went."""
    from trainers.configuration import load_experiment
    from trainers.stages import plan_stages
    from trainers.strategies.data_parallel.strategy import DataParallel

    experiment: Any = load_experiment(name, overrides)
    strategy = DataParallel(experiment.strategy, experiment.run)
    stages = plan_stages(experiment)
    placed = strategy.build(stages)
    if change is not None:
        change(placed.model)
    trainable = strategy.prepare(placed, stages[0], 0)

    def train(num_steps: int) -> dict[str, Any]:
        started = time.process_time()
        total, weight = trainable.run(num_steps).totals["loss"]
        seconds = time.process_time() - started
        return {
            "cpu_seconds": seconds,
            "loss": float(total / weight),
            "traces": trainable.traces,
        }

    weights = placed.model.trainable_variables
    return sum(math.prod(weight.shape) for weight in weights), train


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
