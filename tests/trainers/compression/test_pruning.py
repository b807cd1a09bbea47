"""Stages that prune: how much, when, which kernels, in averages too, after a stop."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainers
from tests.trainers.small import ONE_MODULE
from tests.trainers.small import SMALL
from tests.trainers.small import assert_same_state
from tests.trainers.small import last_state
from tests.trainers.small import sigterm_after_a_checkpoint
from tests.trainers.small import write_config
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from tfmodels.errors import ConfigError
from tfmodels.errors import Preempted
from trainers.checkpoints import CheckpointStore
from trainers.compression.interfaces import Trained
from trainers.compression.interfaces import open_compression
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.interfaces import Placed
from trainers.optimizers.averages import build_average
from trainers.optimizers.config import NoAverage

SMALL_STAGES = f"""{SMALL.replace("  steps: 60", "")}
stages:
  - {{name: learn, steps: 4}}
"""
STAGES = f"""{SMALL_STAGES}
  - name: prune
    steps: 16
    compression:
      {{kind: pruning, sparsity: 0.75, begin: 4, end: 12, every: 2, keep: [^logits]}}
"""
FAST = (*ONE_MODULE, "run.checkpoint_every=4", "run.keep_checkpoints=9")
FAST = (*FAST, "run.steps_per_loop=4", "run.log_every=4")


def kernels(state: dict[str, Any], part: str = "model") -> dict[str, np.ndarray]:
    return {
        name: value
        for name, value in state.items()
        if name.startswith(f"{part}/") and name.endswith("/kernel")
    }


def zero_share(kernel: np.ndarray) -> float:
    return float(np.mean(kernel == 0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pruned")
    trainers.train(write_config(folder, STAGES), folder / "run", FAST)
    return folder


def test_kernels_are_pruned_on_schedule_and_keep_their_zeros(run: Path) -> None:
    store = CheckpointStore(run / "run" / "checkpoints", 9)
    before = None
    # Steps 8, 12 and 16 of the run are 4, 8 and 12 of the stage.
    for step, share in ((4, 0.0), (8, 0.0), (12, 0.75 * 7 / 8), (16, 0.75), (20, 0.75)):
        checkpoint = store.latest(step)
        assert checkpoint is not None
        assert checkpoint.step == step
        state = checkpoint.read(list(checkpoint.shapes))
        found = kernels({name: value.numpy() for name, value in state.items()})
        for name, kernel in found.items():
            wanted = 0.0 if name.startswith("model/logits") else share
            assert zero_share(kernel) == round(wanted * kernel.size) / kernel.size, name
        if before is not None:
            for name, kernel in found.items():
                assert not kernel[before[name] == 0].any(), name
                assert (kernel != before[name]).any()
        before = found


def test_averages_have_the_same_zeros_and_are_what_is_evaluated(run: Path) -> None:
    state = last_state(run / "run")
    for name, kernel in kernels(state).items():
        average = state[name.replace("model/", "average/", 1)]
        np.testing.assert_array_equal(average == 0, kernel == 0, name)
        assert (average != kernel).any()


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_with_the_same_bits(run: Path) -> None:
    thread = sigterm_after_a_checkpoint(run / "cut")
    with pytest.raises(Preempted):
        trainers.train(run / "small.yaml", run / "cut", FAST)
    thread.join()
    trainers.train(run / "small.yaml", run / "cut", FAST)
    assert_same_state(run / "run", run / "cut")


@pytest.mark.parametrize(
    ("compression", "message"),
    [
        ({"kind": "pruning", "sparsity": 1.5}, "compression.sparsity: expected a num"),
        ({"kind": "clustering", "clusters": 1}, "compression.clusters: expected a num"),
        ({"kind": "pruning", "sparsity": 0.5, "begin": 9, "end": 9}, "does not fit"),
        ({"kind": "pruning", "sparsity": 0.5, "end": 101}, "does not fit"),
        ({"kind": "pruning", "sparsity": 0.5, "kernels": ["ls.m"]}, "Received 'ls.m'"),
        ({"kind": "pruning", "sparsity": 0.5, "keep": ["nel$"]}, "no kernel is left"),
        ({"kind": "clustering", "begin": 100}, "is over before"),
    ],
)
def test_what_cannot_be_compressed_is_refused(
    compression: dict[str, Any], message: str
) -> None:
    values = read_yaml(STAGES, "STAGES")
    values["stages"][1]["compression"] = compression
    with pytest.raises(ConfigError, match=message):
        _open(values)


def _open(values: dict[str, Any]) -> None:
    """Makes what the second stage asks for, of a toy."""
    config = Experiment.parse(values).stages[1].compression
    task = ToyTask()
    stage = dataclasses.replace(toy_stage(task), compression=config)
    model = task.build_model()
    placed = Placed(model, build_average(NoAverage(), [], 1))
    open_compression(Trained(placed, model.trainable_variables, stage))


def test_other_strategies_refuse() -> None:
    values = read_yaml(STAGES, "STAGES")
    values["strategy"] = {"kind": "pipeline", "stages": 2}
    with pytest.raises(ConfigError, match=r"strategy\.kind: data_parallel"):
        Experiment.parse(values)
