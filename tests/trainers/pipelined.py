"""Pipelines of tiny models, run for some steps, for tests of what they compute."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tests.trainers.small import SORTING
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from trainers.configuration import override
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.experiment import RunConfig
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.interfaces import Summary
from trainers.optimizers.config import Adam
from trainers.stages import plan_stages
from trainers.strategies.config import DataParallelConfig
from trainers.strategies.config import PipelineConfig
from trainers.strategies.data_parallel.strategy import DataParallel
from trainers.strategies.pipeline.strategy import Pipeline

Values = dict[str, np.ndarray]
"""Values of variables by path or by checkpoint name."""


class Opened(NamedTuple):
    """A model that is ready to be trained."""

    strategy: Pipeline | DataParallel
    placed: Placed
    stage: Stage
    trainable: Any

    @property
    def weights(self) -> Values:
        """Weights and statistics of the model."""
        return {v.path: v.numpy() for v in self.placed.model.weights}

    @property
    def state(self) -> Values:
        """All that a checkpoint holds."""
        return {name: v.numpy() for name, v in self.trainable.state.items()}


def stage_of(task: Any, kind: str = "sgd", **optimizer: Any) -> Stage:
    """The toy's stage, or the same with Adam."""
    if kind == "sgd":
        return toy_stage(task, **optimizer)
    rate = {"kind": "constant", "initial": 0.01}
    return replace(
        toy_stage(task), optimizer=Adam.parse({"learning_rate": rate, **optimizer})
    )


def opened(
    stage: Stage,
    strategy: dict[str, Any],
    run: dict[str, Any] | None = None,
    start: int = 0,
) -> Opened:
    """Places a stage's model; `strategy` without ``stages`` is data-parallel."""
    settings = RunConfig.parse({"steps": 100, **(run or {})})
    kind: Callable[..., Any]
    config: Any
    if "stages" in strategy:
        kind, config = Pipeline, PipelineConfig
    else:
        kind, config = DataParallel, DataParallelConfig
    made = kind(config.parse({"devices": "cpu", **strategy}), settings)
    keras.utils.set_random_seed(1)
    placed = made.build([stage])
    return Opened(made, placed, stage, made.prepare(placed, stage, start))


def trained(
    steps: int,
    strategy: dict[str, Any],
    task: Any = None,
    run: dict[str, Any] | None = None,
    **optimizer: Any,
) -> tuple[Values, Summary]:
    """Weights and summary after some steps from the task's fixed start."""
    task = task or FunctionTask(dense_stack)
    made = opened(stage_of(task, **optimizer), strategy, run)
    summary = made.trainable.run(steps)
    return made.weights, summary


def assert_close(left: Values, right: Values, tolerance: float = 1e-6) -> None:
    """Equal but for `tolerance`, relative to the largest number of each array."""
    assert left.keys() == right.keys()
    for path, value in left.items():
        largest = max(float(np.abs(value).max(initial=0)), 1e-2)
        np.testing.assert_allclose(
            value, right[path], 0, tolerance * largest, err_msg=path
        )


class FunctionTask(ToyTask):
    """The toy's examples, some of them, for any model of ``features``."""

    def __init__(
        self, build: Callable[[Any], Any], features: Any = None, batch: int = 8
    ) -> None:
        """Takes the model's graph, and its only batch unless the toy's stream serves.

        Args:
          build: from ``features``, a Keras tensor float32 [b, n], to ``logits``.
          features: float32 [b, n], one batch that comes again and again.
          batch: rows of a batch of the toy's examples otherwise.
        """
        super().__init__(batch_norm=False)
        self._build = build
        if features is not None:
            self.features = np.asarray(features, np.float32)
            self.labels = np.zeros(len(self.features), np.int32)
            batch = len(self.features)
        else:
            self.features, self.labels = self.features[:batch], self.labels[:batch]
        self.batch_size = batch
        self.steps_per_epoch = 1

    def build_model(self) -> keras.Model:
        """The model with the same fresh weights every time."""
        keras.utils.set_random_seed(1)
        inputs = keras.Input(self.features.shape[1:], name="features")
        outputs = self._build(inputs)
        if not isinstance(outputs, dict):
            outputs = {"logits": outputs}
        return keras.Model(inputs, outputs)

    def dataset(self, split: str, *args: Any, **kwargs: Any) -> tf.data.Dataset:
        """The batch; endlessly if `split` is ``train``."""
        batch = {
            "features": self.features,
            "label": self.labels,
            "weight": np.ones(self.batch_size, np.float32),
        }
        once = tf.data.Dataset.from_tensors(batch)
        return once.repeat() if split == "train" else once


def dense_stack(features: Any) -> Any:
    """Five items; no two could be fused into one operation on one device only."""
    x = features
    for i in range(4):
        x = keras.layers.Dense(6, activation="tanh", name=f"hidden_{i}")(x)
    return keras.layers.Dense(3, name="head")(x)


class Skipping(FunctionTask):
    """A model whose first hidden layer is read by the second and the fourth stage."""

    def __init__(self) -> None:
        super().__init__(dense_stack)

    def build_model(self) -> keras.Model:
        """With the same fresh weights every time."""
        keras.utils.set_random_seed(1)
        features = keras.Input((4,), name="features")
        first = keras.layers.Dense(6, activation="tanh", name="first")(features)
        second = keras.layers.Dense(6, activation="tanh", name="second")(first)
        third = keras.layers.Dense(6, activation="tanh", name="third")(second)
        both = keras.layers.Concatenate(name="both")([third, first])
        logits = keras.layers.Dense(3, name="head")(both)
        model = keras.Model(features, {"logits": logits})
        model.endpoints = {"first": first, "second": second, "third": third}
        return model


SORT = f"""{SORTING}optimizer:
  kind: adam
  learning_rate: {{kind: cosine, initial: 0.01, warmup: 5}}
  clip_global_norm: 1.0
strategy: {{kind: pipeline, devices: cpu, stages: 2, microbatches: 4}}
run: {{steps: 20, log_every: 5, checkpoint_every: 10, evaluate_every: 10}}
"""
"""A Transformer of two blocks that learns to sort three symbols."""


def sorting_stage(*changes: str) -> Stage:
    """The only stage of `SORT`, with overrides."""
    values: dict[str, Any] = read_yaml(SORT, "SORT")
    for change in changes:
        override(values, change)
    return plan_stages(Experiment.parse(values))[0]
