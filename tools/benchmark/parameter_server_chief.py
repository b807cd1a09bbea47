"""A program that directs replicas of the last stage of a recipe when it is told to.

Each line on standard input, ``{"steps": N}``, is answered by a line of JSON.
"""

import json
import sys
from typing import TYPE_CHECKING
from typing import Any

from tools.benchmark.rivals import answers
from tools.quiet import load_tensorflow

if TYPE_CHECKING:
    from trainers.strategies.parameter_server.trainable import ParameterServerTrainable

# Of steps for each replica, until all of them have compiled theirs; and at most.
_WARM_UP = 4
_CHUNKS = 30


def main(config: str, change: str, workers: int) -> None:
    """Answers requests until there are no more."""
    output = answers()
    load_tensorflow()
    from trainers.configuration import load_experiment
    from trainers.stages import open_strategy

    experiment = load_experiment(config, [change])
    with open_strategy(experiment) as (strategy, stages):
        last = stages[-1]
        trainable: Any = strategy.prepare(strategy.build(stages), last, last.start)
        _warm_up(trainable, workers)
        print(json.dumps({"ready": True}), file=output)
        for line in sys.stdin:
            print(json.dumps(_train(trainable, json.loads(line)["steps"])), file=output)


def _warm_up(trainable: "ParameterServerTrainable", workers: int) -> None:
    """Trains until all replicas have taken part, and then once more."""
    for _ in range(_CHUNKS):
        summary = trainable.run(_WARM_UP * workers)
        # TensorFlow waits for its workers; others come when they like.
        if summary.extra.get("parameter_server/replicas", workers) == workers:
            break
    trainable.run(_WARM_UP * workers)


def _train(trainable: "ParameterServerTrainable", num_steps: int) -> dict[str, Any]:
    before = trainable.staleness.counts.copy()
    seconds = trainable.run(num_steps).seconds
    counts = trainable.staleness.counts - before
    return {"seconds": seconds, "staleness": {str(k): n for k, n in counts.items()}}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
