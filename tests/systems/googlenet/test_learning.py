"""GoogLeNet fits what it is shown, on any number of replicas, in any numbers."""

from typing import Any

import keras
import numpy as np
import pytest

from tests.trainers.small import SMALL
from tfmodels.classification.model import ImageClassifier
from trainers.configuration import override
from trainers.configuration import read_yaml
from trainers.data.images import arrays
from trainers.experiment import Experiment
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.interfaces import Summary
from trainers.stages import plan_stages
from trainers.strategies.data_parallel.strategy import DataParallel
from trainers.totals import means

pytestmark = pytest.mark.slow


def start(*changes: str) -> tuple[DataParallel, Placed, Stage]:
    """The small network with fresh weights, without dropout at its end."""
    values: dict[str, Any] = read_yaml(SMALL, "SMALL")
    for change in ("model.dropout_rate=0.0", *changes):
        override(values, change)
    experiment = Experiment.parse(values)
    keras.utils.set_random_seed(experiment.run.seed)
    strategy = DataParallel(experiment.strategy, experiment.run)
    stage = plan_stages(experiment)[0]
    return strategy, strategy.build([stage]), stage


def run_steps(steps: int, *changes: str) -> tuple[ImageClassifier, list[Summary]]:
    """The network after some steps, and what happened in each."""
    strategy, placed, stage = start(*changes)
    trainable = strategy.prepare(placed, stage, 0)
    return placed.model, [trainable.run(1) for _ in range(steps)]


# A module with its pool, and a head without dropout.
SHORT = (
    "model.stages=[[{pass_through: 64, group_3x3: [96, 128], pool_projection: 32}]]",
    "model.heads=[{attach: 3a, pool_size: 3, hidden: 64, dropout_rate: 0.0}]",
)


def test_two_replicas_equal_one() -> None:
    # Alone as well, or one of them would normalise in an operation that rounds else.
    shared = "strategy.synchronize_batch_norm=true"
    rate = "optimizer.learning_rate={kind: constant, initial: 0.01}"
    one, before = run_steps(3, shared, rate, *SHORT)
    two, after = run_steps(3, "strategy.replicas=2", shared, rate, *SHORT)
    for left, right in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(
            left.numpy(), right.numpy(), 0, 1e-6, True, left.path
        )
    for left, right in zip(before, after, strict=True):
        assert means(left.totals)["loss"] == pytest.approx(means(right.totals)["loss"])


def test_bfloat16_computes_logits_and_loss_in_float32() -> None:
    model, summaries = run_steps(3, "run.precision=mixed_bfloat16", *SHORT)
    assert model.get_layer("conv1_conv").compute_dtype == "bfloat16"
    assert model.get_layer("conv1_conv").kernel.dtype == "float32"
    assert {tensor.dtype for tensor in model.output.values()} == {"float32"}
    _, exact = run_steps(3, *SHORT)
    losses = [[means(s.totals)["loss"] for s in run] for run in (summaries, exact)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.03)
    assert losses[0] != losses[1]


def test_it_memorizes_64_images_and_nothing_from_shuffled_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = arrays.load_digits

    def few(split: str) -> arrays.Digits:
        digits = real(split)
        return arrays.Digits(digits.images[:64], digits.targets[:64], range(64))

    monkeypatch.setattr(arrays, "load_digits", few)
    changes = ("data.batch_size=64", "data.augmentation={kind: none}")
    _, summaries = run_steps(60, *changes)
    assert means(summaries[-1].totals)["top1"] == 1.0

    def shuffled(split: str) -> arrays.Digits:
        digits = real(split)
        if split == "train":
            np.random.default_rng(0).shuffle(digits.targets)
        return digits

    monkeypatch.setattr(arrays, "load_digits", shuffled)
    strategy, placed, stage = start()
    strategy.prepare(placed, stage, 0).run(60)
    top1 = means(strategy.evaluator(placed, stage)("test"))["top1"]
    assert top1 == pytest.approx(0.1, abs=0.06)
