"""A program that trains ``gpipe/tiny``, changed by its arguments, when it is told to.

Each line on standard input is a request; each is answered by a line of JSON:
``{"steps": N}`` trains, ``{"plan": "flops"}`` or ``"time"`` plans the same experiment.
"""

import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from tools.benchmark.rivals import answers
from tools.quiet import load_tensorflow

if TYPE_CHECKING:
    from trainers.experiment import Experiment
    from trainers.strategies.pipeline.simulation import Timeline
    from trainers.strategies.pipeline.strategy import Pipeline


def main(overrides: list[str]) -> None:
    """Answers requests until there are no more."""
    output = answers()
    load_tensorflow()
    from trainers.configuration import load_experiment
    from trainers.strategies.pipeline.strategy import Pipeline

    experiment = load_experiment("gpipe/tiny", overrides)
    strategy: Any = experiment.strategy
    with closing(Pipeline(strategy, experiment.run)) as pipeline:
        train = _trainer(experiment, pipeline)
        print(json.dumps(train(1)), file=output)
        for line in sys.stdin:
            request = json.loads(line)
            if "plan" in request:
                answer = _plan(experiment, request["plan"])
            else:
                answer = train(request["steps"])
            print(json.dumps(answer), file=output)


def _trainer(
    experiment: "Experiment", pipeline: "Pipeline"
) -> Callable[[int], dict[str, Any]]:
    """A function that trains a number of steps and says how that went."""
    import tensorflow as tf

    from trainers.stages import plan_stages

    stages = plan_stages(experiment)
    trainable = pipeline.prepare(pipeline.build(stages), stages[0], 0)

    def train(num_steps: int) -> dict[str, Any]:
        # Zeros, unless TF_CPU_ALLOCATOR_USE_BFC is set.
        before = tf.config.experimental.get_memory_info("CPU:0")["current"]
        tf.config.experimental.reset_memory_stats("CPU:0")
        summary = trainable.run(num_steps)
        return {
            "seconds": summary.seconds,
            "bytes": before,
            "peak_bytes": tf.config.experimental.get_memory_info("CPU:0")["peak"],
            **_times(trainable.timeline),
        }

    return train


def _times(timeline: "Timeline") -> dict[str, Any]:
    """Of the last step, in seconds."""
    lengths = defaultdict(list)
    for span in timeline.spans:
        lengths[span.task.kind].append(float(span.end - span.start))
    return {
        "makespan": float(timeline.makespan),
        "bubble": timeline.bubble,
        "tasks": {kind: statistics.median(found) for kind, found in lengths.items()},
    }


def _plan(experiment: "Experiment", unit: str) -> dict[str, Any]:
    """Of the stages that are trained, which are cut by their operations."""
    from tools.plan import plan_of
    from trainers.strategies.config import PartitionConfig

    strategy: Any = experiment.strategy
    plan = plan_of(experiment, strategy)
    if unit == "time":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "partition.json"
            plan.partitioning.write(path)
            partition = PartitionConfig(file=str(path), costs="time")
            measured = strategy.model_copy(update={"partition": partition})
            plan = plan_of(experiment, measured)
    return plan.plain()


if __name__ == "__main__":
    main(sys.argv[1:])
