"""However a model is cut and scheduled, a step is that of one device and one batch."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.pipelined import FunctionTask
from tests.trainers.pipelined import Skipping
from tests.trainers.pipelined import assert_close
from tests.trainers.pipelined import dense_stack
from tests.trainers.pipelined import opened
from tests.trainers.pipelined import sorting_stage
from tests.trainers.pipelined import trained
from tests.trainers.toy import NUM_EXAMPLES
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from trainers.interfaces import Batch
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.interfaces import Outputs
from trainers.totals import means

pytestmark = pytest.mark.slow

SCHEDULES: list[dict[str, Any]] = [
    {"schedule": "gpipe"},
    {"schedule": "1f1b"},
    {"schedule": "interleaved_1f1b", "chunks": 2},
    {"schedule": "zb_h1"},
]


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b", "zb_h1"])
def test_the_number_of_stages_changes_no_bit(schedule: str) -> None:
    runs = [
        trained(2, {"stages": stages, "microbatches": 4, "schedule": schedule})
        for stages in (1, 2, 4)
    ]
    for weights, summary in runs[1:]:
        assert_close(runs[0][0], weights, 0.0)
        assert summary.totals["top1"] == runs[0][1].totals["top1"]
        assert summary.gradient_norm == pytest.approx(runs[0][1].gradient_norm, 1e-6)


@pytest.fixture(scope="module")
def whole() -> Any:
    """Weights of one device after two steps with the whole batch."""
    return trained(2, {})[0]


@pytest.mark.parametrize(
    ("rematerialize", "settings"),
    [
        *(("never", settings) for settings in SCHEDULES),
        *(("except_last", settings) for settings in SCHEDULES[::2]),
        *(("always", settings) for settings in SCHEDULES[1::2]),
    ],
    ids=lambda each: each if isinstance(each, str) else each["schedule"],
)
def test_every_schedule_equals_one_device(
    whole: Any, settings: dict[str, Any], rematerialize: str
) -> None:
    weights, _ = trained(
        2,
        {
            "stages": 2,
            "microbatches": 4,
            "rematerialize": rematerialize,
            **settings,
        },
    )
    assert_close(whole, weights)


@pytest.mark.parametrize(
    ("schedule", "inline"), [("1f1b", False), ("1f1b", True), ("zb_h1", False)]
)
def test_only_what_is_not_kept_is_computed_again(schedule: str, inline: bool) -> None:
    def build(features: Any) -> Any:
        x = features
        for i in range(5):
            x = keras.layers.Dense(6, activation=tf.math.erf, name=f"hidden_{i}")(x)
        return keras.layers.Dense(3, name="head")(x)

    task = FunctionTask(build)
    settings: dict[str, Any] = {
        "stages": 2,
        "microbatches": 4,
        "schedule": schedule,
        "inline": inline,
    }
    never, _ = trained(2, settings, task)
    for keep, again in (([], 5), (["hidden_[13]"], 3)):
        changed = {**settings, "rematerialize": "always", "keep": keep}
        made = opened(toy_stage(task), changed)
        made.trainable.run(2)
        assert_close(never, made.weights)
        if inline or schedule == "zb_h1":
            graph = made.trainable._step.get_concrete_function(
                next(iter(task.dataset("train")))
            ).graph
            kinds = [op.type for op in graph.get_operations()]
            assert kinds.count("Erf") == 4 * (5 + again)


@pytest.mark.parametrize("micro_batches", [1, 2, 8])
def test_the_number_of_micro_batches_changes_nothing(
    whole: Any, micro_batches: int
) -> None:
    settings = {"stages": 4, "microbatches": micro_batches}
    assert_close(whole, trained(2, settings)[0])


def test_micro_batches_of_unequal_size_count_by_example() -> None:
    task = FunctionTask(dense_stack, batch=10)
    one, summary_one = trained(2, {}, task)
    two, summary_two = trained(2, {"stages": 2, "microbatches": 4}, task)
    assert_close(one, two)
    assert summary_two.totals["loss"][1] == 20
    assert summary_two.totals["top1"] == summary_one.totals["top1"]


def test_padded_rows_count_nothing() -> None:
    task = ToyTask(batch_norm=False)
    one, _ = trained(3, {}, task)
    two, summary = trained(3, {"stages": 2, "microbatches": 3}, task)
    assert_close(one, two)
    assert summary.totals["loss"][1] == NUM_EXAMPLES


class SquaredError(Objective):
    """The squared distance of an output from twice the feature."""

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        errors = outputs["logits"] - 2 * batch["features"]
        return Loss(
            tf.reduce_sum(errors**2), tf.cast(tf.shape(errors)[0], tf.float32), {}
        )


def test_the_loss_is_the_mean_of_the_batch_and_not_of_means() -> None:
    def one_weight(features: Any) -> Any:
        dense = keras.layers.Dense(
            1, use_bias=False, kernel_initializer="zeros", name="w"
        )
        return keras.layers.Activation("linear", name="end")(dense(features))

    task = FunctionTask(one_weight, [[1.0], [2.0], [3.0], [4.0], [5.0]])
    stage = replace(toy_stage(task, momentum=0.0), objective=SquaredError())
    made = opened(stage, {"stages": 2, "microbatches": 2})
    summary = made.trainable.run(1)
    # The mean of the means over 3 and 2 examples has the gradient -50.33.
    np.testing.assert_allclose(summary.gradient_norm, 44.0, 1e-6)
    np.testing.assert_allclose(made.weights["w/kernel"], [[4.4]], 1e-6)
    np.testing.assert_allclose(means(summary.totals)["loss"], 44.0, 1e-6)


def test_l2_counts_once_and_clipping_is_global() -> None:
    settings = {"l2": 0.1, "clip_global_norm": 0.05}
    one, summary_one = trained(3, {}, **settings)
    two, summary_two = trained(3, {"stages": 4, "microbatches": 4}, **settings)
    assert summary_one.gradient_norm > 0.05
    assert summary_two.gradient_norm == pytest.approx(summary_one.gradient_norm, 1e-6)
    assert_close(one, two)
    parts = [summary_two.extra[f"pipeline/gradient_norm_{k}"] for k in range(4)]
    assert min(parts) > 0
    assert sum(part < 0.05 for part in parts) < 4
    unclipped, _ = trained(3, {"stages": 4, "microbatches": 4}, l2=0.1)
    assert np.abs(unclipped["head/kernel"] - two["head/kernel"]).max() > 1e-3


def test_twenty_steps_of_adam_count_as_twenty() -> None:
    rate = {"kind": "cosine", "initial": 0.02, "warmup": 5}
    one, summary_one = trained(20, {}, kind="adam", learning_rate=rate)
    for settings in SCHEDULES[2:]:
        two, summary_two = trained(
            20,
            {"stages": 2, "microbatches": 4, **settings},
            kind="adam",
            learning_rate=rate,
        )
        assert summary_two.learning_rate == summary_one.learning_rate
        assert_close(one, two, 1e-5)


def test_every_mini_batch_is_one_iteration_of_the_optimizer() -> None:
    stage = toy_stage(FunctionTask(dense_stack))
    made = opened(stage, {"stages": 4, "microbatches": 8})
    made.trainable.run(3)
    assert made.state["optimizer/iteration"] == 3


@pytest.mark.parametrize("settings", [SCHEDULES[0], SCHEDULES[1], SCHEDULES[3]])
def test_two_replicas_of_two_stages_equal_one_device(
    whole: Any, settings: dict[str, Any]
) -> None:
    stage = toy_stage(FunctionTask(dense_stack))
    made = opened(stage, {"stages": 2, "replicas": 2, "microbatches": 3, **settings})
    made.trainable.run(2)
    assert_close(whole, made.weights)
    for value in made.trainable.state.values():
        copies = getattr(value, "values", (value,))
        for copy in copies[1:]:
            np.testing.assert_array_equal(copies[0].numpy(), copy.numpy())
    assert len(made.placed.model.trainable_variables[0].value.values) == 2


def test_tied_embeddings_sum_the_gradients_of_both_uses() -> None:
    stage = sorting_stage("model.tie_embeddings=true", "model.num_layers=1")
    # Adam would divide by gradients that are nothing but rounding.
    stage = replace(stage, optimizer=toy_stage(None).optimizer)
    one = opened(stage, {})
    norm = one.trainable.run(1).gradient_norm
    for stages in (2, 4):
        two = opened(stage, {"stages": stages, "microbatches": 2})
        ends = [two.strategy._layout.parts[k].model.weights for k in (0, -1)]
        assert {id(v) for v in ends[0]} & {id(v) for v in ends[1]}
        np.testing.assert_allclose(two.trainable.run(1).gradient_norm, norm, 1e-5)
        assert_close(one.weights, two.weights)


def test_a_skip_tensor_goes_directly_to_where_it_is_read() -> None:
    task = Skipping()
    one, _ = trained(2, {}, task)
    made = opened(toy_stage(task), {"stages": 4, "microbatches": 4})
    made.trainable.run(2)
    assert_close(one, made.weights)
    first, second, third, fourth = made.strategy._layout.parts
    (skip,) = first.writes
    assert skip in second.reads
    assert skip in fourth.reads
    assert skip not in (*third.reads, *second.writes, *third.writes)
