"""Training on weights with noise: against a model that has it in its variables."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.asynchronous import opened
from tests.trainers.small import SORT
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from tfmodels.errors import ConfigError
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.objectives.config import CrossEntropyConfig
from trainers.objectives.cross_entropy import CrossEntropy
from trainers.objectives.weight_noise.config import WeightNoiseConfig
from trainers.objectives.weight_noise.objective import WeightNoise

SEED = tf.constant([[3, 4]] * 8, tf.int64)


def learned(objective: Any, task: Any, model: Any, batch: Any) -> list[np.ndarray]:
    """The loss, its gradients, and what the model holds after the step."""

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss, _ = objective.loss_with_model(task, model, batch, True)
        weights = [weight.value for weight in model.trainable_variables]
        return loss.total, *tape.gradient(loss.total, weights)

    made = [np.asarray(value) for value in step()]
    return [*made, *(np.asarray(w) for w in model.non_trainable_variables)]


def test_loss_gradients_and_statistics_are_those_of_weights_with_noise() -> None:
    task = ToyTask()
    model, other = task.build_model(), task.build_model()
    other.set_weights(model.get_weights())
    before = [np.asarray(weight) for weight in model.weights]
    config = WeightNoiseConfig.parse({"deviation": 0.3, "base": {}})
    batch = {**next(iter(task.dataset("train"))), "seed": SEED}
    found = learned(WeightNoise(config, task), task, model, batch)
    for number, weight in enumerate(other.trainable_variables):
        seed = tf.random.experimental.stateless_fold_in(SEED[0], number)
        noise = tf.random.stateless_normal(weight.shape, seed, alg="philox")
        weight.assign_add(0.3 * noise)
    plain = CrossEntropy(CrossEntropyConfig(), task)
    wanted = learned(plain, task, other, batch)
    assert len(model.non_trainable_variables) > 0
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    trained = {weight.path for weight in model.trainable_variables}
    for weight, value in zip(model.weights, before, strict=True):
        if weight.path in trained:
            np.testing.assert_array_equal(weight, value)
    # Another seed, other noise; an evaluation, none.
    again = {**batch, "seed": SEED + 1}
    loss, _ = WeightNoise(config, task).loss_with_model(task, model, again, True)
    assert float(loss.total) != pytest.approx(float(found[0]), rel=1e-4)
    losses = [
        float(each.loss_with_model(task, model, batch, False)[0].total)
        for each in (WeightNoise(config, task), plain)
    ]
    assert losses[0] == losses[1]


def test_what_it_cannot_do_is_refused() -> None:
    task = ToyTask()
    objective = WeightNoise(WeightNoiseConfig(), task)
    batch = dict(next(iter(task.dataset("train"))))
    batch.pop("seed", None)
    with pytest.raises(ConfigError, match="examples with seeds"):
        objective.loss_with_model(task, task.build_model(), batch, True)


@pytest.mark.slow
def test_a_replica_of_a_parameter_server_learns_the_same() -> None:
    class Seeded(ToyTask):
        def dataset(self, *args: Any, **options: Any) -> tf.data.Dataset:
            batches = super().dataset(*args, **options).enumerate()
            return batches.map(lambda n, batch: {**batch, "seed": SEED + n})

    stage = toy_stage(Seeded())
    stage = replace(stage, objective=WeightNoise(WeightNoiseConfig(), stage.task))
    mine, other = opened(stage, {"replicas": 1}), opened(stage)
    for each in (mine, other):
        each.trainable.run(4)
    for name, value in other.state.items():
        np.testing.assert_allclose(mine.state[name], value, 1e-5, 1e-5, err_msg=name)


def test_it_is_a_kind_of_objective() -> None:
    values = read_yaml(SORT, "sorting")
    values["objective"] = {"kind": "weight_noise", "deviation": 0.1}
    made = Experiment.parse(json.loads(json.dumps(values)))
    assert isinstance(made.objective, WeightNoiseConfig)
