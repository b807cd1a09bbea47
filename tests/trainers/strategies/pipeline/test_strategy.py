"""Checkpoints across layouts, precision, compilation, and what a pipeline refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.trainers.pipelined import FunctionTask
from tests.trainers.pipelined import Opened
from tests.trainers.pipelined import assert_close
from tests.trainers.pipelined import dense_stack
from tests.trainers.pipelined import opened
from tests.trainers.pipelined import stage_of
from tests.trainers.pipelined import trained
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from tfmodels.errors import ConfigError
from trainers.checkpoints import CheckpointStore
from trainers.checkpoints import restore
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.interfaces import Outputs
from trainers.interfaces import Task
from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.strategy import Pipeline
from trainers.totals import means

AVERAGED = {"average": {"kind": "exponential", "decay": 0.9}}


def loss_after(made: Opened, steps: int) -> float:
    return means(made.trainable.run(steps).totals)["loss"]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_checkpoints_go_on_with_any_layout(tmp_path: Path, batch_norm: bool) -> None:
    layouts: list[dict[str, Any]] = [
        {"stages": 3, "microbatches": 4},
        {"stages": 1, "microbatches": 4, "schedule": "gpipe"},
        {"stages": 2, "microbatches": 4, "schedule": "zb_h1"},
        {"stages": 2, "microbatches": 2, "replicas": 2},
    ]
    # Batch norms see micro-batches, so data parallelism is another computation.
    layouts = layouts[::2] if batch_norm else [*layouts[:3], {}, layouts[3]]
    task = ToyTask(batch_norm)
    stage = stage_of(task, "adam", clip_global_norm=0.1)
    whole = opened(stage, layouts[0], AVERAGED)
    store = CheckpointStore(tmp_path)
    step = 0
    for settings in layouts:
        made = opened(stage, settings, AVERAGED, start=step)
        checkpoint = store.latest()
        if checkpoint:
            restore(checkpoint, made.trainable.state)
        loss = loss_after(made, 2)
        assert loss == pytest.approx(loss_after(whole, 2), rel=1e-6)
        step += 2
        store.save(made.trainable.state, step, "train")
    assert made.state["optimizer/iteration"] == step
    states = made.state, whole.state
    if batch_norm:
        # Adam divides by the gradient of a bias before a batch norm, which is all
        # rounding; moving means contain that bias.
        states = tuple(
            {path: value for path, value in state.items() if "hidden/bias" not in path}
            for state in states
        )
    assert_close(*states, 1e-2 if batch_norm else 1e-5)


def test_a_step_is_traced_once() -> None:
    made = opened(toy_stage(ToyTask()), {"stages": 2, "microbatches": 3})
    made.trainable.run(2)
    traces = [
        program.run.experimental_get_tracing_count() for program in _programs(made)
    ]
    for steps in (1, 3):
        made.trainable.run(steps)
    assert made.trainable.traces == 1
    # The micro-batches of a batch of 8 have 3, 3 and 2 rows.
    assert traces == [2, 2]
    assert traces == [
        program.run.experimental_get_tracing_count() for program in _programs(made)
    ]


def _programs(made: Opened) -> Any:
    return made.trainable._programs


def with_policy(policy: str, build: Callable[[], Any]) -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(before)


def in_precision(precision: str, task: Any, **run: Any) -> Opened:
    return with_policy(
        precision,
        lambda: opened(
            toy_stage(task),
            {"stages": 2, "microbatches": 4},
            {"precision": precision, **AVERAGED, **run},
        ),
    )


def test_float16_leaves_out_what_is_not_finite() -> None:
    made = in_precision("mixed_float16", ToyTask(), loss_scale=2.0**120)
    before = made.state
    summary = made.trainable.run(1)
    assert summary.skipped == 1
    changed = {
        name for name, value in made.state.items() if np.any(value != before[name])
    }
    assert changed == {"loss_scale/factor"}
    assert made.state["loss_scale/factor"] == 2.0**119
    summary = made.trainable.run(129)
    assert 0 < summary.skipped < 129
    assert made.state["optimizer/iteration"] == 129 - summary.skipped
    assert np.isfinite(loss_after(made, 2))
    assert np.abs(made.weights["norm/moving_mean"]).max() > 0


def test_an_example_that_is_not_finite_changes_nothing() -> None:
    task = ToyTask()
    batch = next(iter(task.dataset("train")))
    first = (task.features == batch["features"][0].numpy()).all(-1)
    made = opened(
        toy_stage(ToyTask(poison=int(np.flatnonzero(first)[0]))),
        {"stages": 3, "microbatches": 4},
        {"max_skipped_updates": 1, **AVERAGED},
    )
    before = made.state
    assert made.trainable.run(1).skipped == 1
    assert_close(before, made.state, 0.0)
    assert made.trainable.run(1).skipped == 0
    assert all(np.isfinite(value).all() for value in made.state.values())


def test_bfloat16_computes_in_it_and_keeps_float32() -> None:
    exact = opened(toy_stage(ToyTask()), {"stages": 2, "microbatches": 4})
    made = in_precision("mixed_bfloat16", ToyTask())
    losses = [[loss_after(each, 1) for _ in range(3)] for each in (exact, made)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.03)
    assert losses[0] != losses[1]
    assert {str(v.dtype) for v in made.weights.values()} == {"float32"}
    assert made.placed.model.get_layer("hidden").compute_dtype == "bfloat16"


@pytest.mark.parametrize("rematerialize", ["never", "always"])
def test_compiled_stages_give_the_same_weights(rematerialize: str) -> None:
    settings = {"stages": 2, "microbatches": 2, "rematerialize": rematerialize}
    plain, _ = trained(2, settings, ToyTask())
    compiled, _ = trained(2, settings, ToyTask(), {"xla": True})
    assert_close(plain, compiled, 1e-5)


class Sampling(Objective):
    """One that runs the model itself."""

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        raise AssertionError

    def loss_with_model(
        self, task: Task, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> tuple[Loss, Outputs]:
        raise AssertionError


def test_what_cannot_be_pipelined_is_refused() -> None:
    stage = toy_stage(FunctionTask(dense_stack))
    for settings, run, message in (
        ({"stages": 2}, {"accumulation": 2}, r"run\.accumulation"),
        ({"stages": 2, "schedule": "zb_h1"}, {"xla": True}, r"run\.xla"),
        ({"stages": 2, "inline": True}, {"xla": True}, r"run\.xla"),
        ({"stages": 2, "keep": ["head"]}, {}, "keep: all results are kept already"),
        (
            {"stages": 2, "rematerialize": "always", "keep": ["tail"]},
            {},
            r"strategy\.keep: 'tail'.*hidden_0, .*, head",
        ),
        ({"stages": 4, "microbatches": 9}, {}, r"strategy\.microbatches.*at most 8"),
        ({"stages": 5}, {}, "strategy.stages: too few devices"),
        (
            {
                "stages": 3,
                "chunks": 2,
                "microbatches": 3,
                "schedule": "interleaved_1f1b",
            },
            {},
            "has 5. Expected at most 5 stages",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            opened(stage, settings, run)
    with pytest.raises(ConfigError, match="Received Sampling"):
        opened(replace(stage, objective=Sampling()), {"stages": 2})


@pytest.mark.parametrize(
    "layer", [keras.layers.BatchNormalization, keras.layers.Dropout]
)
def test_a_layer_with_a_state_is_used_once(layer: Any) -> None:
    def build(features: Any) -> Any:
        settings = {"rate": 0.5} if layer is keras.layers.Dropout else {}
        twice = layer(name="twice", **settings)
        return keras.layers.Dense(3)(twice(keras.layers.Dense(4)(twice(features))))

    with pytest.raises(ConfigError, match=r"'twice'.* Received 2 uses"):
        opened(toy_stage(FunctionTask(build)), {"stages": 2})


def test_every_stage_of_training_has_enough_examples() -> None:
    first, second = (toy_stage(FunctionTask(dense_stack, batch=n)) for n in (8, 3))
    config = PipelineConfig(devices="cpu", stages=2, microbatches=4)
    with pytest.raises(ConfigError, match=r"strategy\.microbatches.*at most 3"):
        Pipeline(config, RunConfig(steps=1)).build([first, second])


def test_frozen_variables_stay_and_the_others_are_trained() -> None:
    task = FunctionTask(dense_stack)
    start = {v.path: v.numpy() for v in task.build_model().weights}
    # All of the first stage and half of the second.
    frozen = ("^hidden_0/", "^hidden_1/", "^hidden_2/", "^hidden_3/kernel")
    stage = replace(toy_stage(task), frozen=frozen)
    for schedule in ("1f1b", "zb_h1"):
        settings = {"stages": 2, "microbatches": 4, "schedule": schedule}
        made = opened(stage, settings)
        made.trainable.run(1)
        changed = {
            path for path, value in made.weights.items() if np.any(value != start[path])
        }
        assert changed == {"hidden_3/bias", "head/kernel", "head/bias"}


def test_evaluation_counts_every_example_once() -> None:
    stage = toy_stage(ToyTask())
    expected = opened(stage, {})
    right = expected.strategy.evaluator(expected.placed, stage)("test")
    for settings in (
        {"stages": 2, "microbatches": 3},
        {"stages": 2, "microbatches": 2, "replicas": 2},
        {
            "stages": 2,
            "microbatches": 2,
            "chunks": 2,
            "schedule": "interleaved_1f1b",
        },
    ):
        made = opened(stage, settings)
        before = made.state
        found = made.strategy.evaluator(made.placed, stage)("test")
        assert found["top1"] == right["top1"]
        np.testing.assert_allclose(found["loss"], right["loss"], 1e-6)
        assert_close(before, made.state, 0.0)
