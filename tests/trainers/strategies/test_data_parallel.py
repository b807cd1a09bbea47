"""The data-parallel step against arithmetic by hand and against one device."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.toy import NUM_EXAMPLES
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from tests.trainers.translating import numbers
from tfmodels.errors import ConfigError
from trainers.experiment import RunConfig
from trainers.interfaces import Summary
from trainers.stages import plan_stages
from trainers.strategies.config import DataParallelConfig
from trainers.strategies.data_parallel.strategy import DataParallel
from trainers.totals import means


def run_toy(
    steps: int,
    replicas: int = 1,
    task: ToyTask | None = None,
    run: dict[str, Any] | None = None,
    strategy: dict[str, Any] | None = None,
    **optimizer: Any,
) -> tuple[dict[str, np.ndarray], Summary]:
    """Weights and summary after some steps from the toy's fixed start."""
    task = task or ToyTask()
    settings = DataParallelConfig.parse(
        {"devices": "cpu", "replicas": replicas, **(strategy or {})}
    )
    parallel = DataParallel(settings, RunConfig.parse({"steps": 100, **(run or {})}))
    placed = parallel.build([toy_stage(task)])
    trainable = parallel.prepare(placed, toy_stage(task, **optimizer), 0)
    summary = trainable.run(steps)
    return {v.path: v.numpy() for v in placed.model.variables}, summary


def assert_close(
    left: dict[str, np.ndarray], right: dict[str, np.ndarray], tolerance: float = 1e-6
) -> None:
    assert left.keys() == right.keys()
    for path, value in left.items():
        np.testing.assert_allclose(value, right[path], 0, tolerance, err_msg=path)


@pytest.fixture(scope="module")
def one_device() -> tuple[dict[str, np.ndarray], Summary]:
    """Three steps, the last of an uneven batch, on one device."""
    return run_toy(3)


def test_two_replicas_equal_one_through_an_uneven_last_batch(one_device: Any) -> None:
    one, summary_one = one_device
    two, summary_two = run_toy(3, replicas=2)
    assert_close(one, two)
    assert summary_one.totals["loss"][1] == NUM_EXAMPLES
    assert summary_two.totals["loss"][1] == NUM_EXAMPLES
    assert summary_two.totals["top1"] == summary_one.totals["top1"]


def test_replicas_differ_when_batch_statistics_are_not_synchronized(
    one_device: Any,
) -> None:
    one, _ = one_device
    two, _ = run_toy(3, replicas=2, strategy={"synchronize_batch_norm": False})
    assert np.abs(one["hidden/kernel"] - two["hidden/kernel"]).max() > 1e-4


def test_accumulation_with_and_without_replicas_equals_one_batch() -> None:
    task = ToyTask(batch_norm=False)
    whole, _ = run_toy(6, task=task)
    parts, _ = run_toy(6, task=task, run={"accumulation": 4})
    assert_close(whole, parts)
    parts, _ = run_toy(6, replicas=2, task=task, run={"accumulation": 2})
    assert_close(whole, parts)


def test_one_step_is_the_published_arithmetic() -> None:
    task = ToyTask(batch_norm=False)
    start = {v.path: v.numpy() for v in task.build_model().variables}
    batch = next(iter(task.dataset("train")))
    after, summary = run_toy(1, task=task, l2=0.01, clip_global_norm=0.05, momentum=0.0)

    model = task.build_model()
    with tf.GradientTape() as tape:
        logits = model(batch["features"])["logits"]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch["label"], logits)
        loss = tf.reduce_sum(losses * batch["weight"]) / tf.reduce_sum(batch["weight"])
        penalty = tf.add_n(
            [tf.nn.l2_loss(layer.kernel) for layer in model.layers if layer.weights]
        )
        whole = loss + 0.01 * penalty
    values = [v.value for v in model.trainable_variables]
    gradients = tape.gradient(whole, values)
    norm = float(tf.linalg.global_norm(gradients))
    assert norm > 0.05
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        expected = start[variable.path] - 0.1 * gradient.numpy() * 0.05 / norm
        np.testing.assert_allclose(after[variable.path], expected, 0, 1e-6)
    np.testing.assert_allclose(means(summary.totals)["loss"], float(loss), 1e-6)
    np.testing.assert_allclose(summary.gradient_norm, norm, 1e-5)


def test_chunks_do_not_change_the_result_nor_retrace(one_device: Any) -> None:
    task = ToyTask()
    parallel = DataParallel(DataParallelConfig(devices="cpu"), RunConfig(steps=100))
    placed = parallel.build([toy_stage(task)])
    trainable = parallel.prepare(placed, toy_stage(task), 0)
    for steps in (1, 2):
        trainable.run(steps)
    whole, _ = one_device
    assert_close({v.path: v.numpy() for v in placed.model.variables}, whole, 0.0)
    assert trainable.traces == 1


def first_example() -> int:
    """An example of the first batch."""
    task = ToyTask()
    batch = next(iter(task.dataset("train")))
    row = batch["features"][0].numpy()
    return int(np.flatnonzero((task.features == row).all(-1))[0])


@pytest.mark.parametrize("replicas", [1, 2])
def test_an_update_that_is_not_finite_changes_nothing(replicas: int) -> None:
    task = ToyTask(poison=first_example())
    start = {v.path: v.numpy() for v in task.build_model().variables}
    run = {"max_skipped_updates": 1}
    after, summary = run_toy(1, replicas=replicas, task=task, run=run)
    assert summary.skipped == 1
    assert_close(start, after, 0.0)


def test_a_step_that_is_not_finite_is_reported_where_none_is_allowed() -> None:
    _, summary = run_toy(1, task=ToyTask(poison=first_example()))
    assert summary.skipped == 1  # for the guard that ends such a run


def test_float16_finds_its_loss_scale() -> None:
    task = ToyTask()
    parallel = DataParallel(
        DataParallelConfig(devices="cpu"),
        RunConfig.parse(
            {"steps": 100, "precision": "mixed_float16", "loss_scale": 2.0**120}
        ),
    )
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        placed = parallel.build([toy_stage(task)])
    finally:
        keras.config.set_dtype_policy(policy)
    trainable = parallel.prepare(placed, toy_stage(task), 0)
    summary = trainable.run(130)
    scale = float(trainable.state["loss_scale/factor"])
    assert 0 < summary.skipped < 130
    assert scale == 2.0 ** (120 - summary.skipped)
    assert np.isfinite(means(trainable.run(5).totals)["loss"])


def test_frozen_variables_stay_and_unknown_patterns_are_refused() -> None:
    task = ToyTask()
    stage = toy_stage(task)
    parallel = DataParallel(DataParallelConfig(devices="cpu"), RunConfig(steps=100))
    placed = parallel.build([toy_stage(task)])
    before = {v.path: v.numpy() for v in placed.model.trainable_variables}
    frozen = stage.__class__(**{**vars(stage), "frozen": ("^hidden/",)})
    parallel.prepare(placed, frozen, 0).run(2)
    changed = {
        v.path: bool(np.any(v.numpy() != before[v.path]))
        for v in placed.model.trainable_variables
    }
    assert not changed["hidden/kernel"]
    assert changed["head/kernel"]
    unknown = stage.__class__(**{**vars(stage), "frozen": ("^nowhere/",)})
    with pytest.raises(ConfigError, match="nowhere"):
        parallel.prepare(placed, unknown, 0)


def test_evaluation_counts_every_example_once_on_any_number_of_replicas() -> None:
    task = ToyTask()
    results = []
    for replicas in (1, 2):
        parallel = DataParallel(
            DataParallelConfig(devices="cpu", replicas=replicas), RunConfig(steps=100)
        )
        placed = parallel.build([toy_stage(task)])
        results.append(parallel.evaluator(placed, toy_stage(task))("test"))
    assert results[0]["top1"][1] == NUM_EXAMPLES
    assert results[0]["top1"] == results[1]["top1"]
    np.testing.assert_allclose(results[0]["loss"], results[1]["loss"], 1e-6)


def test_replicas_cannot_be_chosen_in_a_cluster() -> None:
    with pytest.raises(ValueError, match="replicas cannot be chosen with multi_worker"):
        DataParallelConfig(multi_worker=True, replicas=2)


def test_too_many_replicas_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"strategy\.replicas"):
        DataParallel(DataParallelConfig(devices="cpu", replicas=5), RunConfig(steps=1))


def test_batch_norm_over_replicas_cannot_be_compiled() -> None:
    parallel = DataParallel(
        DataParallelConfig(devices="cpu", replicas=2), RunConfig(steps=1, xla=True)
    )
    with pytest.raises(ConfigError, match="synchronize_batch_norm"):
        parallel.build([toy_stage(ToyTask())])


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_xla_gives_the_same_weights(replicas: int) -> None:
    """Three weights have one shape, and each its momentum."""
    alone = {"synchronize_batch_norm": False}
    plain, _ = run_toy(4, replicas, strategy=alone)
    compiled, _ = run_toy(4, replicas, strategy=alone, run={"xla": True})
    assert_close(plain, compiled, 1e-5)


@pytest.mark.slow
def test_layers_on_devices_learn_what_they_do_on_one() -> None:
    weights, figures = [], []
    shared = {"devices": 2, "chunks": 3, "softmax_shards": 2}
    smoothed = {"label_smoothing": 0.1}
    for layers in (None, shared):
        experiment = numbers(strategy={"layers": layers}, objective=smoothed)
        parallel = DataParallel(experiment.strategy, experiment.run)
        stages = plan_stages(experiment)
        keras.utils.set_random_seed(0)
        placed = parallel.build(stages)
        summary = parallel.prepare(placed, stages[0], 0).run(3)
        weights.append({v.path: v.numpy() for v in placed.model.trainable_variables})
        figures.append(means(summary.totals))
    assert_close(*weights, tolerance=1e-4)
    assert figures[0] == pytest.approx(figures[1], rel=1e-4)
    assert {"loss", "token_accuracy", "nats_per_token"} <= figures[0].keys()


def test_layers_that_cannot_be_spread_are_explained() -> None:
    with pytest.raises(ConfigError, match=r"strategy.layers: .* such as gnmt"):
        run_toy(1, strategy={"replicas": None, "layers": {"devices": 2}})
    with pytest.raises(ConfigError, match="layers: those of one replica"):
        run_toy(1, replicas=2, strategy={"layers": {"devices": 2}})
