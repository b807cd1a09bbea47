"""A run of asynchronous replicas as processes, small enough for several tests."""

import json
from pathlib import Path

from tests.cluster import Machine
from tests.cluster import Process
from tests.distributed.jobs import last_step
from tests.distributed.jobs import wait_for_step
from tests.trainers.small import last_state

STEPS = 300
CHIEF, WORKERS, SERVERS = 0, (1, 2), (3, 4)
"""Places of the processes among the launcher's children."""
_CONFIG = f"""
task: {{kind: language_modeling}}
model:
  kind: transformer
  vocabulary_size: 10
  max_length: 13
  num_layers: 1
  model_dim: 8
  num_heads: 2
  feed_forward_dim: 16
  dropout_rate: 0.1
data: {{kind: sorting, symbols: 8, length: 6, batch_size: 8, train_examples: 2000,
  test_examples: 16}}
objective: {{kind: cross_entropy}}
optimizer:
  kind: adagrad
  learning_rate: {{kind: constant, initial: 0.1}}
  clip_global_norm: 5.0
strategy: {{kind: parameter_server, runtime: RUNTIME}}
run:
  steps: {STEPS}
  steps_per_loop: 20
  log_every: 20
  checkpoint_every: 20
  average: {{kind: exponential, decay: 0.9}}
"""


def write_config(folder: Path, runtime: str = "simulated") -> Path:
    """The run's configuration, in a file; the launcher wants real processes."""
    path = folder / "job.yaml"
    path.write_text(_CONFIG.replace("RUNTIME", runtime))
    return path


def start(machine: Machine, config: Path, run: Path) -> Process:
    """Starts a run on this machine."""
    options = ("--workers", "2", "--parameter-servers", "2")
    return machine.start("launch", "local", config, "--workdir", run, *options)


def launched(machine: Machine, config: Path, run: Path) -> Process:
    """Starts a run on this machine and waits until it is under way."""
    launcher = start(machine, config, run)
    wait_for_step(run, 40, launcher)
    assert last_step(run) < STEPS
    return launcher


def pushes(run: Path) -> int:
    """Pushes that the newest checkpoint holds."""
    return int(last_state(run)["optimizer/iteration"])


def metrics(run: Path) -> dict[str, float]:
    """The final figures."""
    found: dict[str, float] = json.loads((run / "metrics.json").read_text())
    return found
