"""The chief of a cluster whose replicas push gradients of one; says what came of it.

``python -m tests.distributed.unit_pushes STEPS`` with TF_CONFIG.
"""

import json
import os
import sys
from contextlib import closing
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from tests.trainers.asynchronous import opened
from tests.trainers.pipelined import FunctionTask
from tests.trainers.toy import toy_stage
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.optimizers.config import Adagrad

SIZE = 5
RATE = 0.1
START = 0.5
"""Of accumulators: a sum of ones on top of it is exact in float32."""


class Sum(Objective):
    """The sum of the model's outputs: of ``sum(w)`` every gradient is 1."""

    def loss(self, outputs: Any, batch: Any) -> Loss:
        """Of the only row."""
        return Loss(
            keras.ops.sum(outputs["logits"]), keras.ops.sum(batch["weight"]), {}
        )


def weights(features: Any) -> Any:
    """One weight for each feature, 0 at the start."""
    dense = keras.layers.EinsumDense("bi,i->bi", SIZE, None)
    dense.kernel_initializer = keras.initializers.Zeros()
    return dense(features)


def main(num_steps: int) -> None:
    """Trains, and prints counts and values as JSON."""
    stage = toy_stage(FunctionTask(weights, np.ones([1, SIZE])))
    rate = {"kind": "constant", "initial": RATE}
    optimizer = Adagrad.parse({"learning_rate": rate, "initial_accumulator": START})
    stage = replace(stage, objective=Sum(), steps=num_steps, optimizer=optimizer)
    made = opened(stage, {"runtime": "coordinator", "pushes_per_fetch": 3})
    with closing(made.strategy):
        made.trainable.run(num_steps)
        slots = [v for name, v in made.state.items() if "accumulator" in name]
        found = {
            "pushes": int(made.state["optimizer/iteration"]),
            "accumulators": np.concatenate(slots).tolist(),
            "weights": next(iter(made.weights.values())).tolist(),
            "staleness": sum(made.trainable.staleness.counts.values()),
        }
    print(json.dumps(found), flush=True)
    os._exit(0)  # Nothing that replicas still do matters.


if __name__ == "__main__":
    main(int(sys.argv[1]))
