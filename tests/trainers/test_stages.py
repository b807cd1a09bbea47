"""Stages of a run: what changes between them, and that a run stopped in one goes on."""

import json
from pathlib import Path

import pytest

import trainers
from tests.trainers.small import ONE_MODULE
from tests.trainers.small import SMALL
from tests.trainers.small import assert_same_state
from tests.trainers.small import last_state
from tests.trainers.small import sigterm_after_a_checkpoint
from tests.trainers.small import write_config
from tfmodels.errors import Preempted

STAGES = """
stages:
  - {name: warm, steps: 20}
  - name: tune
    steps: 20
    freeze: ["^conv"]
    objective: {kind: cross_entropy, label_smoothing: 0.1, auxiliary_weights: {}}
    optimizer:
      kind: adam
      learning_rate: {kind: constant, initial: 0.001}
    data: {kind: digits, batch_size: 48}
"""


def test_stages_change_objective_optimizer_and_data_and_resume_exactly(
    tmp_path: Path,
) -> None:
    text = SMALL.replace("  steps: 60\n", "") + STAGES
    config = write_config(tmp_path, text)
    whole = trainers.train(config, tmp_path / "whole", ONE_MODULE)
    assert whole.step == 40
    state = last_state(tmp_path / "whole")
    assert state["optimizer/iteration"] == 20
    assert "optimizer/logits_kernel_velocity" in state  # Adam's, not of SGD
    assert not any(name.startswith("optimizer/conv") for name in state)
    lines = [json.loads(s) for s in (tmp_path / "whole" / "metrics.jsonl").open()]
    assert lines[1]["train/learning_rate"] == pytest.approx(0.001)

    thread = sigterm_after_a_checkpoint(tmp_path / "cut")
    with pytest.raises(Preempted):
        trainers.train(config, tmp_path / "cut", ONE_MODULE)
    thread.join()
    trainers.train(config, tmp_path / "cut", ONE_MODULE)
    assert_same_state(tmp_path / "whole", tmp_path / "cut")
