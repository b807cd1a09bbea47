"""Memory and time of real steps, each measured in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]

MEMORY = """
import json
import keras
import numpy as np
import tensorflow as tf
from tests.trainers.pipelined import FunctionTask, opened
from tests.trainers.toy import toy_stage

def deep(x):
    for i in range(12):
        x = keras.layers.Dense(256, activation="tanh", name=f"d{i}")(x)
    return keras.layers.Dense(3, name="head")(x)

task = FunctionTask(deep, np.ones((4096, 256)))
peaks = {}
for schedule in ("gpipe", "1f1b"):
    for again in ("never", "always"):
        settings = {"stages": 2, "microbatches": 8, "schedule": schedule}
        made = opened(toy_stage(task), {**settings, "rematerialize": again})
        made.trainable.run(1)
        # Threads that wait for a core hold what they would have freed: the least
        # peak of some steps is that of the schedule.
        steps = []
        for _ in range(4):
            before = tf.config.experimental.get_memory_info("CPU:0")["current"]
            tf.config.experimental.reset_memory_stats("CPU:0")
            made.trainable.run(1)
            peak = tf.config.experimental.get_memory_info("CPU:0")["peak"]
            steps.append(peak - before)
        peaks[f"{schedule} {again}"] = min(steps)
        del made
print(json.dumps(peaks))
"""

TIME = """
import json
import sys
import time
import keras
import numpy as np
import tensorflow as tf
from tests.trainers.pipelined import FunctionTask, opened
from tests.trainers.toy import toy_stage

SECONDS = 0.1

def sleep(x):
    time.sleep(SECONDS)
    return x

def asleep(x):
    # A stateful operation would wait for all those on other devices.
    y = tf.numpy_function(sleep, [x], tf.float32, stateful=False)
    return tf.ensure_shape(y, x.shape)

@tf.custom_gradient
def slow(x):
    return asleep(x), asleep

class Slow(keras.layers.Layer):
    def call(self, x):
        return slow(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)

def stack(x):
    for i in range(4):
        x = Slow(name=f"slow_{i}")(keras.layers.Dense(3, name=f"dense_{i}")(x))
    return x

devices, micro_batches = map(int, sys.argv[1:3])
# A stage is one dense layer and what is slow after it.
settings = {"stages": devices, "microbatches": micro_batches, "schedule": sys.argv[3]}
settings["partition"] = {"file": sys.argv[4]}
made = opened(toy_stage(FunctionTask(stack)), settings)
made.trainable.run(1)
seconds, bubbles = [], []
for _ in range(3):
    started = time.perf_counter()
    summary = made.trainable.run(1)
    seconds.append(time.perf_counter() - started)
    bubbles.append(summary.extra["pipeline/bubble"])
print(json.dumps({"seconds": min(seconds), "bubble": min(bubbles),
    "makespan": float(made.trainable.timeline.makespan)}))
"""


def measured(script: str, *arguments: str) -> Any:
    """What a script prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env={**os.environ, "TF_CPU_ALLOCATOR_USE_BFC": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_recomputation_and_early_gradients_save_memory() -> None:
    peaks = measured(MEMORY)
    assert peaks["gpipe always"] <= 0.45 * peaks["gpipe never"]
    assert peaks["1f1b never"] <= 0.5 * peaks["gpipe never"]
    assert peaks["1f1b always"] < peaks["1f1b never"]


def partitioning(stages: int) -> str:
    """A file's text that gives every stage as many pairs of layers."""
    names = [f"{kind}_{i}" for i in range(4) for kind in ("dense", "slow")]
    each = len(names) // stages
    cuts = range(0, len(names), each)
    return json.dumps(
        {
            "boundaries": [
                {
                    "begin": cut,
                    "end": cut + each,
                    "first": names[cut],
                    "last": names[cut + each - 1],
                }
                for cut in cuts
            ],
            "assignment": [[stage] for stage in range(stages)],
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize(("schedule", "micro_batches"), [("gpipe", 8), ("1f1b", 4)])
def test_stages_work_at_the_same_time(
    tmp_path: Path, schedule: str, micro_batches: int
) -> None:
    file = tmp_path / "partitioning.json"
    file.write_text(partitioning(4))
    found = measured(TIME, "4", str(micro_batches), schedule, str(file))
    # A forward and a backward task of 0.1 s for each of M + K - 1 time steps.
    ideal = 0.2 * (micro_batches + 3)
    assert 0.99 * ideal <= found["seconds"] <= 1.1 * ideal
    assert found["makespan"] == pytest.approx(ideal, rel=0.1)
    assert found["bubble"] == pytest.approx(3 / (micro_batches + 3), abs=0.04)
