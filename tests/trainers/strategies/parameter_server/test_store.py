"""Shards, and updates of which none is lost, against Keras and exact sums."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.optimizers.averages import build_average
from trainers.optimizers.config import Adagrad
from trainers.optimizers.config import Adam
from trainers.optimizers.config import ExponentialAverage
from trainers.optimizers.config import MomentumSGD
from trainers.optimizers.config import RMSProp
from trainers.optimizers.factory import build_optimizer
from trainers.optimizers.gradients import apply_gradients
from trainers.strategies.parameter_server.flat import cut
from trainers.strategies.parameter_server.store import AVERAGE
from trainers.strategies.parameter_server.store import VALUE
from trainers.strategies.parameter_server.store import ParameterStore
from trainers.strategies.parameter_server.updates import server_update

RATE = {"kind": "constant", "initial": 0.1}
KINDS = {
    "sgd": (MomentumSGD, {}),
    "momentum": (MomentumSGD, {"momentum": 0.9}),
    "nesterov": (MomentumSGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (Adagrad, {}),
    "adam": (Adam, {}),
    "rmsprop tf1": (RMSProp, {}),
    "rmsprop keras": (RMSProp, {"semantics": "keras", "momentum": 0.0}),
}
DEVICES = ("/CPU:1", "/CPU:2", "/CPU:3")


def optimizer_of(kind):
    cls, settings = KINDS[kind]
    return cls.parse({"learning_rate": RATE, **settings})


@pytest.mark.parametrize("kind", KINDS)
def test_updates_are_those_of_keras(kind):
    config = optimizer_of(kind)
    update = server_update(config)
    random = np.random.default_rng(0)
    start = random.normal(size=10).astype(np.float32)
    weight = keras.Variable(start, name="weight")
    optimizer = build_optimizer(config, 100, 10)
    optimizer.build([weight])
    average = build_average(ExponentialAverage(decay=0.5), [weight], 100)
    store = ParameterStore(10, DEVICES, update, average.fraction)
    slots = [tf.fill([10], number) for number in update.initial]
    filled = dict(zip(update.slots, slots, strict=True))
    store.load({VALUE: start, AVERAGE: start, **filled}, 0)
    for step in range(5):
        gradient = tf.constant(random.normal(size=10), tf.float32)
        apply_gradients(optimizer, [gradient], [weight])
        average.update(tf.constant(step, tf.int64))
        store.push(gradient, tf.constant(0.1))
    assert int(store.version) == 5
    read = store.read()
    np.testing.assert_allclose(read[VALUE], weight, 1e-5, 1e-5)
    np.testing.assert_allclose(read[AVERAGE], average.state["weight"], 1e-5, 1e-5)
    kept = {name: read[name] for name in update.slots}
    for variable in optimizer.variables:
        if variable.shape == (10,):
            name = variable.name.rpartition("_")[2]
            np.testing.assert_allclose(kept[name], variable, 1e-6, 1e-6)


@pytest.mark.parametrize("kind", ["momentum", "adam", "rmsprop tf1"])
def test_changes_of_statistics_are_added_whatever_the_optimizer(kind):
    update = server_update(optimizer_of(kind))
    random = np.random.default_rng(0)
    start = random.normal(size=10).astype(np.float32)
    half = build_average(ExponentialAverage(decay=0.5), [], 100).fraction
    # Of the three shards one has gradients alone, one both, and one statistics alone.
    mixed = ParameterStore(10, DEVICES, update, half, 5)
    plain = ParameterStore(5, DEVICES, update, half)
    for store, size in ((mixed, 10), (plain, 5)):
        slots = {
            name: tf.fill([size], number)
            for name, number in zip(update.slots, update.initial, strict=True)
        }
        store.load({VALUE: start[:size], AVERAGE: start[:size], **slots}, 0)
    pushes = random.normal(size=(4, 10)).astype(np.float32)
    average = value = start[5:]
    for step, push in enumerate(pushes):
        mixed.push(tf.constant(push), tf.constant(0.1))
        plain.push(tf.constant(push[:5]), tf.constant(0.1))
        value = value + push[5:]
        average = average + float(half(tf.constant(step, tf.int64))) * (value - average)
    read, others = mixed.read(), plain.read()
    for name, vector in others.items():
        np.testing.assert_array_equal(read[name][:5], vector)
    np.testing.assert_allclose(read[VALUE][5:], value, 1e-5, 1e-6)
    np.testing.assert_allclose(read[AVERAGE][5:], average, 1e-5, 1e-6)


def test_no_push_of_several_at_once_is_lost():
    config = optimizer_of("adagrad").model_copy(update={"initial_accumulator": 0.0})
    average = lambda step: tf.constant(0.0)  # noqa: E731
    store = ParameterStore(7, DEVICES[:2], server_update(config), average, 5)
    push = tf.function(lambda: store.push(tf.ones([7]), tf.constant(0.1)))
    push.get_concrete_function()

    def push_often():
        for _ in range(100):
            push()

    threads = [threading.Thread(target=push_often) for _ in range(4)]
    store.load({"accumulator": tf.zeros([7])}, 0)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(store.version) == 400
    read = store.read()
    np.testing.assert_array_equal(read["accumulator"], [400.0] * 5 + [0.0] * 2)
    expected = -0.1 * np.sum(1 / np.sqrt(np.arange(1, 401)))
    np.testing.assert_allclose(read[VALUE], [expected] * 5 + [400.0] * 2, 1e-5)


@pytest.mark.parametrize(("size", "count"), [(10, 3), (9, 3), (2, 3), (100, 7)])
def test_shards_are_balanced(size, count):
    parts = cut(size, count)
    sizes = [part.stop - part.start for part in parts]
    assert sum(sizes) == size
    assert max(sizes) - min(sizes) <= 1
    whole = np.concatenate([np.arange(size)[part] for part in parts])
    assert whole.tolist() == list(range(size))


def test_every_device_has_a_shard_with_all_that_belongs_to_it():
    update = server_update(optimizer_of("adam"))
    store = ParameterStore(10, DEVICES, update, lambda step: tf.constant(1.0))
    assert set(store.shards) == {"value", "momentum", "velocity", "average"}
    for shards in store.shards.values():
        assert [shard.device[-6:] for shard in shards] == [
            device.replace("/", ":") for device in DEVICES
        ]
        assert [int(shard.shape[0]) for shard in shards] == [4, 3, 3]


@pytest.mark.parametrize(
    "config",
    [
        RMSProp.parse({"learning_rate": RATE, "semantics": "torch"}),
        Adam.parse({"learning_rate": RATE, "weight_decay": 0.1}),
    ],
)
def test_updates_that_could_be_lost_are_refused(config):
    with pytest.raises(ConfigError, match=r"Expected sgd, adagrad, adam .* rmsprop"):
        server_update(config)
