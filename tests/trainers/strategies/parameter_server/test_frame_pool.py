"""Frames in random order against gradients of whole utterances."""

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tests.trainers.asynchronous import HalfSquare
from tests.trainers.asynchronous import opened
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from tests.trainers.words import words
from tfmodels.errors import ConfigError
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.interfaces import Stage
from trainers.objectives.sequence_discriminative.criteria import auxiliary
from trainers.optimizers.config import MomentumSGD
from trainers.stages import plan_stages
from trainers.strategies.parameter_server.flat import Flat
from trainers.strategies.parameter_server.frame_pool import FramePool
from trainers.strategies.parameter_server.learner import Subject
from trainers.strategies.parameter_server.learner import Work

pytestmark = pytest.mark.slow

ALL = 10_000


@dataclass
class Taught:
    """A stage of sequence training, a model of it, and utterances."""

    stage: Stage
    model: keras.Model
    batches: list[Batch]
    pools: dict[int, FramePool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.flat = Flat(self.model.variables)
        self.variables = [v.value for v in self.flat.variables]
        self.parameters = self.flat.pack(self.variables)

    def pool(self, size: int) -> FramePool:
        if size not in self.pools:
            subject = Subject(self.model, self.flat, self.stage, "cpu")
            self.pools[size] = FramePool(subject, size)
        return self.pools[size]

    def work(self, size: int, rate: float = 0.0, number: int = 0) -> Work:
        batches = [
            (tf.constant(number + i, tf.int64), batch)
            for i, batch in enumerate(self.batches)
        ]
        return self.pool(size).work(self.parameters, batches, tf.constant(rate))

    @property
    def frames(self) -> int:
        return sum(int(batch["weight"].numpy().sum()) for batch in self.batches)

    def gradient(self) -> np.ndarray:
        """Of the loss of all utterances, by a tape through the model."""
        weight = 0.0
        with tf.GradientTape() as tape:
            total = 0.0
            for batch in self.batches:
                outputs = self.stage.task.outputs(self.model, batch, training=True)
                loss = self.stage.objective.loss(outputs, batch)
                total, weight = total + loss.total, weight + loss.weight
        gradients = tape.gradient(total, self.variables)
        return np.asarray(self.flat.pack(gradients) / weight)


@pytest.fixture(scope="module")
def deep() -> Taught:
    """With an utterance that is only padding, and one that is impossible."""
    stage = plan_stages(words(data={"train_utterances": 12}))[-1]
    first, second = stage.task.dataset("train").take(2)
    rows = np.arange(4)[:, None]
    first["weight"] *= tf.cast(rows != 1, tf.float32)
    second["label"] *= tf.cast(rows != 2, tf.int32)
    keras.utils.set_random_seed(2)
    return Taught(stage, stage.task.build_model(), [first, second])


@pytest.fixture(scope="module")
def shallow(deep: Taught) -> Taught:
    """Its logits are linear in its weights."""
    sizes = {"feature_dim": 12, "num_pdfs": 87, "hidden_dims": []}
    model: Any = tfmodels.build("acoustic_dnn", **sizes)
    return Taught(deep.stage, model, deep.batches)


def close(actual: Any, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, atol=1e-5 * np.abs(expected).max())


def test_a_mini_batch_of_all_frames_is_whole_utterances(deep: Taught) -> None:
    gradient, work = deep.gradient(), deep.work(ALL)
    assert np.abs(gradient).max() > 1e-3
    close(work.gradient, gradient)
    assert float(work.norm) == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert work.totals["impossible_utterances"] == (1, 7)
    assert 0 < work.totals["loss"][1] < deep.frames
    assert "frame_accuracy" in work.totals
    assert "word_errors" not in work.totals


def test_mini_batches_add_up_to_whole_utterances(deep: Taught) -> None:
    size = next(n for n in range(40, 400) if deep.frames % n == 0)
    close(deep.work(size).gradient, deep.frames / size * deep.gradient())


def test_the_derivatives_are_those_of_the_auxiliary_function(deep: Taught) -> None:
    batch = deep.batches[0]
    number = tf.constant(0, tf.int64)
    derived, totals = deep.pool(ALL).derive(deep.parameters, number, batch)
    with tf.GradientTape() as tape:
        outputs = deep.stage.task.outputs(deep.model, batch, training=True)
        value = auxiliary(derived.derivatives["logits"], outputs["logits"])
    gradient = deep.flat.pack(tape.gradient(value, deep.variables))
    expected = Taught(deep.stage, deep.model, [batch]).gradient()
    close(-gradient / totals["loss"][1], expected)


def test_derivatives_stay_those_of_the_first_parameters(shallow: Taught) -> None:
    # The auxiliary function of a linear model has the same gradient everywhere.
    still, moved = (np.asarray(shallow.work(64, rate).gradient) for rate in (0.0, 0.3))
    np.testing.assert_allclose(moved, still, atol=1e-4 * np.abs(still).max())


def test_the_order_depends_on_the_number_of_the_batch(deep: Taught) -> None:
    first, again, other, still = (
        np.asarray(deep.work(64, rate, number).gradient)
        for rate, number in ((0.3, 5), (0.3, 5), (0.3, 6), (0.0, 5))
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    # Parameters move between mini-batches.
    assert np.abs(first - still).max() > 1e-3


def test_two_replicas_train_from_pools(deep: Taught) -> None:
    strategy = {"replicas": 2, "local_steps": 2, "frame_pool": 50}
    rate = {"kind": "constant", "initial": 0.01}
    optimizer = MomentumSGD.parse({"learning_rate": rate, "momentum": 0.0})
    stage = replace(deep.stage, optimizer=optimizer, steps=10)
    made = opened(stage, strategy, start=stage.start)
    before = made.weights
    summary = made.trainable.run(2)
    assert (summary.steps, summary.skipped) == (2, 0)
    for path, value in made.weights.items():
        assert np.isfinite(value).all()
        assert np.abs(value - before[path]).max() > 1e-4
    job = made.trainable._job
    assert job.signature != opened(stage, {"local_steps": 2}).trainable._job.signature
    step = tf.function(job.step(job.store([""])).__call__, autograph=False)
    function = step.get_concrete_function(iter(job.batches(0, 1, 0)))
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    assert not [node.name for node in nodes if "PyFunc" in node.op]


def first_stage(**model: Any) -> Stage:
    """Of another model, with cross entropy."""
    sizes = {"feature_dim": 12, "num_pdfs": 87}
    values = {**words().plain(), "model": {**sizes, **model}}
    return plan_stages(Experiment.parse(values))[0]


def test_models_that_skip_frames_and_cross_entropy() -> None:
    offsets = [[-1, 0, 1], [-3, 0]]
    stage = first_stage(kind="acoustic_tdnn", hidden_dim=8, offsets=offsets)
    keras.utils.set_random_seed(2)
    made = Taught(stage, stage.task.build_model(), [*stage.task.dataset("test")])
    assert made.batches[0]["weight"].shape[1] == 20
    close(made.work(ALL).gradient, made.gradient())


def test_models_that_need_whole_utterances_are_refused() -> None:
    stage = first_stage(kind="acoustic_lstm")
    with pytest.raises(ConfigError, match=r"strategy\.frame_pool: .*acoustic_lstm"):
        opened(stage, {"frame_pool": 50})


def test_tasks_without_frames_are_refused() -> None:
    stage = toy_stage(ToyTask(batch_norm=False))
    with pytest.raises(ConfigError, match=r"strategy\.frame_pool: .*ToyTask"):
        opened(stage, {"frame_pool": 50})


def test_objectives_that_need_the_model_are_refused(deep: Taught) -> None:
    class Searching(HalfSquare):
        def loss_with_model(self, *args: Any, **kwargs: Any) -> Any:
            return super().loss_with_model(*args, **kwargs)

    stage = replace(deep.stage, objective=Searching())
    with pytest.raises(ConfigError, match=r"strategy\.frame_pool: .*Searching"):
        opened(stage, {"frame_pool": 50})
