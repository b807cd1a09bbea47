"""A network of two modules on real digits: seconds to train, all parts involved."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from trainers.checkpoints import CheckpointStore

SMALL = """
task: {kind: image_classification}
model:
  kind: googlenet
  variant: bn
  input_shape: [8, 8, 1]
  num_classes: 10
  stem: small
  width_multiplier: 0.125
  batch_norm: {momentum: 0.9}
  dropout_rate: 0.2
  stages:
    - [{pass_through: 64, group_3x3: [96, 128], pool_projection: 32}]
    - [{pass_through: 128, group_3x3: [128, 192]}]
  heads: [{attach: 3a, pool_size: 3, pool_strides: 1, hidden: 64}]
data: {kind: digits, batch_size: 96, augmentation: {kind: shift}}
objective: {kind: cross_entropy, auxiliary_weights: {aux1_logits: 0.3}}
optimizer:
  kind: sgd
  learning_rate: {kind: cosine, initial: 0.3, warmup: 5}
  momentum: 0.9
strategy: {kind: data_parallel, devices: cpu}
# A network trained this short is unsure of many answers, and rounding turns those.
export: {min_agreement: 0.95, max_accuracy_drop: 0.02}
run:
  steps: 60
  steps_per_loop: 5
  checkpoint_every: 20
  log_every: 20
  average: {kind: exponential, decay: 0.9}
"""

ONE_MODULE = (
    "model.stages=[[{pass_through: 64, group_3x3: [96, 128]}]]",
    "model.heads=[]",
    "objective.auxiliary_weights={}",
)
"""Overrides for tests to which the network does not matter."""


def write_config(folder: Path, text: str = SMALL) -> Path:
    """The configuration as a file."""
    path = folder / "small.yaml"
    path.write_text(text)
    return path


def last_state(workdir: Path) -> dict[str, Any]:
    """All tensors of the newest checkpoint."""
    checkpoint = CheckpointStore(workdir / "checkpoints").latest()
    assert checkpoint is not None
    return {n: t.numpy() for n, t in checkpoint.read(list(checkpoint.shapes)).items()}


def assert_same_state(left: Path, right: Path) -> None:
    """Two runs ended with the same bits in every variable."""
    one, two = last_state(left), last_state(right)
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name], err_msg=name)


def sigterm_after_a_checkpoint(workdir: Path) -> threading.Thread:
    """Sends this process SIGTERM as soon as a run has saved."""

    def wait_and_send() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if list(workdir.glob("checkpoints/step-*")):
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=wait_and_send, daemon=True)
    thread.start()
    return thread


SORTING = """
task: {kind: language_modeling}
model:
  kind: transformer
  vocabulary_size: 6
  max_length: 7
  num_layers: 2
  model_dim: 16
  num_heads: 2
  feed_forward_dim: 32
  dropout_rate: 0.0
  positions: learned
data: {kind: sorting, symbols: 4, length: 3, batch_size: 32, test_examples: 50}
objective: {kind: cross_entropy}
"""
"""A Transformer of two blocks that learns to sort three symbols, but for how."""

SORT = f"""{SORTING}optimizer:
  kind: adam
  learning_rate: {{kind: cosine, initial: 0.01, warmup: 20}}
  clip_global_norm: 1.0
strategy: {{kind: data_parallel, devices: cpu}}
run: {{steps: 120, log_every: 20, images_every: 60}}
"""
