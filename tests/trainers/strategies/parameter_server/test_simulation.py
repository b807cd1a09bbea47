"""Replicas on the virtual clock against sequential training and theory."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.asynchronous import HalfSquare
from tests.trainers.asynchronous import opened
from tests.trainers.pipelined import FunctionTask
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from tfmodels.errors import ConfigError
from trainers.checkpoints import CheckpointStore
from trainers.checkpoints import restore
from trainers.interfaces import Shard
from trainers.optimizers.config import Adagrad
from trainers.optimizers.config import Adam
from trainers.optimizers.schedules import build_schedule
from trainers.strategies.config import ParameterServerConfig
from trainers.totals import means

COSINE = {"kind": "cosine", "initial": 0.1, "warmup": 3}


def toy(batch_norm=False, **optimizer):
    return toy_stage(ToyTask(batch_norm=batch_norm), **optimizer)


def weights(scales, rate=1.0):
    """Of ``sum((scale * w) ** 2) / 2`` with every w = 1."""

    def build(features):
        dense = keras.layers.EinsumDense("bi,i->bi", len(scales), None)
        dense.kernel_initializer = keras.initializers.Ones()
        return dense(features)

    constant = {"kind": "constant", "initial": rate}
    task = FunctionTask(build, np.array([scales]))
    stage = toy_stage(task, learning_rate=constant, momentum=0.0)
    return replace(stage, objective=HalfSquare(), steps=1000)


def weight_after(rate, steps, **strategy):
    """Of ``w ** 2 / 2`` with w = 1 at the start."""
    made = opened(weights([1.0], rate), strategy)
    made.trainable.run(steps)
    return float(next(iter(made.weights.values()))[0])


def test_one_replica_is_sequential_sgd_to_the_bit():
    stage = toy(momentum=0.0)
    made = opened(stage, {"replicas": 1})
    keras.utils.set_random_seed(1)
    model = stage.task.build_model()

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss, _ = stage.objective.loss_with_model(
                stage.task, model, batch, training=True
            )
        weights = [variable.value for variable in model.trainable_variables]
        for weight, gradient in zip(
            weights, tape.gradient(loss.total, weights), strict=True
        ):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=weight.handle, alpha=0.1, delta=gradient / loss.weight
            )

    for batch in stage.task.dataset("train").take(7):
        step(batch)
    made.trainable.run(7)
    for weight in model.weights:
        np.testing.assert_array_equal(made.weights[weight.path], weight.numpy())


@pytest.mark.parametrize(
    "optimizer",
    [
        {"momentum": 0.9, "nesterov": True, "l2": 0.01, "clip_global_norm": 0.5},
        {"batch_norm": True, "momentum": 0.9, "l2": 0.01},
        Adam.parse({"learning_rate": COSINE}),
        Adagrad.parse({"learning_rate": COSINE}),
    ],
    ids=["nesterov", "batch norm", "adam", "adagrad"],
)
def test_one_replica_is_data_parallelism_on_one_device(optimizer):
    if isinstance(optimizer, dict):
        stage = toy(learning_rate=COSINE, **optimizer)
    else:
        stage = replace(toy(), optimizer=optimizer)
    run = {"average": {"kind": "exponential", "decay": 0.5}}
    made = opened(stage, {"replicas": 1, "servers": 3}, run)
    other = opened(stage, None, run)
    mine, theirs = made.trainable.run(7), other.trainable.run(7)
    assert made.state.keys() == other.state.keys()
    for name, value in other.state.items():
        np.testing.assert_allclose(made.state[name], value, 1e-5, 1e-5, err_msg=name)
    assert means(mine.totals) == pytest.approx(means(theirs.totals))
    schedule = build_schedule(stage.optimizer.learning_rate, stage.steps, 3)
    assert mine.learning_rate == pytest.approx(float(schedule(6)))
    assert mine.gradient_norm == pytest.approx(theirs.gradient_norm)


def test_a_checkpoint_moves_to_data_parallelism_and_back(tmp_path):
    stage = toy(learning_rate=COSINE)
    whole = opened(stage, None)
    whole.trainable.run(9)
    one = opened(stage, {"replicas": 1})
    one.trainable.run(3)
    store = CheckpointStore(tmp_path)
    store.save(one.trainable.state, 3, "train")
    two = opened(stage, None, start=3)
    restore(store.latest(), two.trainable.state)
    two.trainable.run(3)
    store.save(two.trainable.state, 6, "train")
    three = opened(stage, {"replicas": 1}, start=6)
    restore(store.latest(), three.trainable.state)
    three.trainable.run(3)
    for name, value in whole.state.items():
        np.testing.assert_allclose(three.state[name], value, 1e-5, 1e-6, err_msg=name)


def test_synchronous_replicas_are_one_of_a_larger_batch():
    features = np.random.default_rng(0).normal(size=(8, 4))

    def build(x):
        return keras.layers.Dense(3, name="head")(x)

    class Halves(FunctionTask):
        def dataset(self, split, shard=Shard(), start=0):
            part = slice(4 * shard.index, 4 * shard.index + 4)
            rows = super().dataset(split)
            return rows.map(lambda batch: {k: v[part] for k, v in batch.items()})

    stages = [toy_stage(kind(build, features)) for kind in (Halves, FunctionTask)]
    together = opened(stages[0], {"replicas": 2, "synchronous": True})
    alone = opened(stages[1], {"replicas": 1})
    mine, theirs = together.trainable.run(5), alone.trainable.run(5)
    for path, value in alone.weights.items():
        np.testing.assert_allclose(together.weights[path], value, 1e-5, 1e-6)
    assert means(mine.totals) == pytest.approx(means(theirs.totals))
    assert dict(together.trainable.staleness.counts) == {0: 5}


@pytest.mark.parametrize("tau", range(5))
def test_the_largest_stable_rate_at_a_constant_staleness(tau):
    # Of theta[n + 1] = theta[n] - eta * theta[n - tau]; two weights, two rates.
    largest = 2 * math.cos(tau * math.pi / (2 * tau + 1))
    rates = np.array([0.97, 1.03]) * largest
    made = opened(weights(np.sqrt(rates)), {"replicas": tau + 1})
    made.trainable.run(40)
    theta = [np.ones(2)] * (tau + 1)
    for _ in range(40):
        theta.append(theta[-1] - rates * theta[-1 - tau])
    (found,) = made.weights.values()
    np.testing.assert_allclose(found, theta[-1], 1e-4)
    for rate, stable in zip(rates, (True, False), strict=True):
        between = [0.0] * (tau - 1)
        roots = np.roots([1, -1, *between, rate] if tau else [1, rate - 1])
        assert (max(abs(roots)) < 1) == stable


def test_replicas_of_equal_speed_take_turns():
    made = opened(toy(), {"replicas": 3})
    made.trainable.run(3)
    assert dict(made.trainable.staleness.counts) == {0: 1, 1: 1, 2: 1}
    summary = made.trainable.run(6)
    assert dict(made.trainable.staleness.counts) == {0: 1, 1: 1, 2: 7}
    assert summary.extra["parameter_server/staleness_mean"] == 2.0
    assert summary.extra["parameter_server/virtual_time"] == 3.0
    assert sum(made.trainable.staleness.counts.values()) == 9
    assert set(made.trainable.figures()) == {"staleness"}


@pytest.mark.parametrize("local_steps", [1, 2, 5])
def test_local_steps_push_their_difference_over_the_rate(local_steps):
    # One push of (theta0 - thetaK) / eta at the rate eta leaves thetaK.
    left = weight_after(0.3, 1, replicas=1, local_steps=local_steps)
    assert left == pytest.approx((1 - 0.3) ** local_steps)


@pytest.mark.parametrize(
    ("replicas", "pushes_per_fetch", "local_steps"),
    [(1, 2, 1), (2, 1, 1), (2, 2, 1), (3, 2, 2), (2, 3, 2)],
)
def test_several_pushes_to_a_fetch(replicas, pushes_per_fetch, local_steps):
    # Downpour SGD as its authors write it down, by clients in turn.
    rate, steps = 0.15, 11
    server, local, pushed = 1.0, [1.0] * replicas, [0] * replicas
    for turn in range(steps):
        client = turn % replicas
        accrued = 0.0
        for _ in range(local_steps):
            accrued += local[client]
            local[client] -= rate * local[client]
        server -= rate * accrued
        pushed[client] += 1
        if pushed[client] % pushes_per_fetch == 0:
            local[client] = server
    keys = {"pushes_per_fetch": pushes_per_fetch, "local_steps": local_steps}
    left = weight_after(rate, steps, replicas=replicas, **keys)
    assert left == pytest.approx(server, abs=1e-6)


def test_staleness_is_that_of_the_fetch_without_ones_own_pushes():
    made = opened(toy(), {"replicas": 2, "pushes_per_fetch": 2})
    found = []
    for _ in range(8):
        summary = made.trainable.run(1)
        found.append(summary.extra["parameter_server/staleness_max"])
    # Replicas 0 and 1 in turn; 0 fetches after its pushes 0, 2, 4 of this list, 1 after
    # its pushes 1, 3, 5.
    assert found == [0, 1, 1, 2, 1, 1, 2, 2]


def test_a_replica_does_not_go_on_with_what_is_not_finite():
    stage = toy_stage(ToyTask(batch_norm=False, poison=0))
    made = opened(stage, {"replicas": 2, "pushes_per_fetch": 50})
    summary = made.trainable.run(stage.task.steps_per_epoch * 4)
    assert 2 <= summary.skipped <= 4
    assert all(np.isfinite(value).all() for value in made.weights.values())


@pytest.mark.parametrize("other", [{"max_staleness": 3}, {"synchronous": True}])
def test_what_only_replicas_that_always_fetch_can_do_is_refused(other):
    with pytest.raises(ConfigError, match="pushes_per_fetch"):
        ParameterServerConfig.parse({"pushes_per_fetch": 2, **other})


def test_a_stale_push_counts_less():
    # Both start from 1 with the gradient 1: the second push has the staleness 1.
    assert weight_after(0.2, 2, replicas=2) == pytest.approx(1 - 0.2 - 0.2)
    weaker = weight_after(0.2, 2, replicas=2, staleness="inverse")
    assert weaker == pytest.approx(1 - 0.2 - 0.2 / 2)
    fresh = weight_after(0.2, 3, replicas=1, staleness="inverse")
    assert fresh == weight_after(0.2, 3, replicas=1)


def test_the_same_bits_however_the_steps_are_chunked():
    settings = {"replicas": 3, "service": "exponential"}
    made = [opened(toy(), settings) for _ in range(2)]
    made[0].trainable.run(12)
    for _ in range(4):
        made[1].trainable.run(3)
    for name, value in made[0].state.items():
        np.testing.assert_array_equal(value, made[1].state[name], err_msg=name)
    counts = [each.trainable.staleness.counts for each in made]
    assert counts[0] == counts[1]
    assert max(counts[0]) > 2


def test_staleness_has_a_bound_and_a_warm_up():
    bounded = {"replicas": 4, "service": "exponential", "max_staleness": 1}
    made = opened(toy(), bounded)
    made.trainable.run(20)
    assert max(made.trainable.staleness.counts) == 1
    warm = opened(toy(), {"replicas": 3, "warmup_steps": 4})
    warm.trainable.run(5)
    assert dict(warm.trainable.staleness.counts) == {0: 5}


def test_a_gradient_that_is_not_finite_is_counted_and_not_pushed():
    stage = toy_stage(ToyTask(batch_norm=False, poison=0))
    made = opened(stage, {"replicas": 2})
    summary = made.trainable.run(stage.task.steps_per_epoch * 2)
    assert 1 <= summary.skipped <= 2
    assert all(np.isfinite(value).all() for value in made.weights.values())
    steps = int(made.state["optimizer/iteration"])
    assert steps == summary.steps - summary.skipped
    assert sum(made.trainable.staleness.counts.values()) == steps


def test_what_a_stage_freezes_stays():
    stage = replace(toy(), frozen=("hidden",))
    made = opened(stage, {"replicas": 2})
    before = made.weights
    made.trainable.run(3)
    for path, value in made.weights.items():
        assert np.array_equal(value, before[path]) == ("hidden" in path)


def test_random_states_differ_by_step_and_replica():
    seen = []

    class Noted(HalfSquare):
        def loss(self, outputs, batch):
            hidden = outputs["hidden"]
            tf.numpy_function(lambda x: seen.append(x.tobytes()), [hidden], [])
            return super().loss(outputs, batch)

    def build(features):
        hidden = keras.layers.Dropout(0.5)(features)
        return {"logits": keras.layers.Dense(1)(hidden), "hidden": hidden}

    stage = toy_stage(FunctionTask(build, np.ones((1, 64))))
    settings = {"replicas": 2, "local_steps": 2}
    made = opened(replace(stage, objective=Noted()), settings)
    before = {name: v for name, v in made.state.items() if "state_" in name}
    made.trainable.run(3)
    assert len(set(seen)) == len(seen) >= 6
    assert before
    for name, value in before.items():
        np.testing.assert_array_equal(value, made.state[name])


@pytest.mark.parametrize("local_steps", [1, 3])
def test_changes_of_moving_statistics_add_up(local_steps):
    # Of three replicas in turn, each of which knows what was there two pushes before.
    def build(features):
        norm = keras.layers.BatchNormalization(momentum=0.75, name="norm")
        return keras.layers.Dense(1)(norm(features))

    rows = np.array([[3.0, -1.0], [5.0, -1.0]])
    stage = toy_stage(FunctionTask(build, rows))
    made = opened(stage, {"replicas": 3, "servers": 2, "local_steps": local_steps})
    made.trainable.run(7)
    for name, start, now in (("mean", 0, rows.mean(0)), ("variance", 1, rows.var(0))):
        known = [np.full(2, start, np.float64)] * 3
        for _ in range(7):
            local = known[-3]
            for _ in range(local_steps):
                local = 0.75 * local + 0.25 * now
            known.append(known[-1] + local - known[-3])
        found = made.weights[f"norm/moving_{name}"]
        np.testing.assert_allclose(found, known[-1], 1e-5)


def test_parameters_that_change_by_themselves_are_refused():
    def build(features):
        return keras.layers.SpectralNormalization(keras.layers.Dense(2))(features)

    made = opened(toy_stage(FunctionTask(build, np.ones([1, 4]))), {})
    with pytest.raises(ConfigError, match=r"kernel.*by itself.*data_parallel"):
        made.trainable.run(1)


@pytest.mark.parametrize(
    "run", [{"precision": "mixed_float16"}, {"accumulation": 2}], ids=str
)
def test_runs_that_replicas_cannot_make_are_refused(run):
    with pytest.raises(ConfigError, match=next(iter(run))):
        opened(toy(), {}, run)
