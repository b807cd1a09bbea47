"""A layer on each device, and a vocabulary in shards, against the plain model."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.gnmt.partitioned_softmax import Shard
from tfmodels.gnmt.partitioned_softmax import cross_entropy
from tfmodels.gnmt.partitioned_softmax import top_k
from tfmodels.gnmt.wavefront import shared_out
from tfmodels.gnmt.wavefront import wavefront

SMALL = {
    "vocabulary_size": 13,
    "embedding_dim": 5,
    "hidden_dim": 6,
    "attention_dim": 4,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "dropout_rate": 0.0,
    "initial": {"kind": "scaled", "input_gain": 4.0},
}


def tokens(lengths, seed):
    drawn = np.random.default_rng(seed).integers(1, 13, (len(lengths), max(lengths)))
    there = np.arange(max(lengths)) < np.array(lengths)[:, None]
    return np.where(there, drawn, 0).astype(np.int32)


def place(number):
    devices = tf.config.list_logical_devices("CPU")
    return tf.device(devices[number % len(devices)].name)


def test_wavefront_computes_what_the_plain_model_does():
    keras.utils.set_random_seed(1)
    model = tfmodels.build("gnmt", **SMALL)
    inputs = {"source": tokens((5, 4, 1), 0), "target": tokens((4, 3, 2), 1)}
    plain = model.hidden(inputs, model.new_pass(training=True))
    chunked = wavefront(model, inputs, 2, place, training=True)
    for ours, theirs in zip(plain, chunked, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6, rtol=1e-5)


def test_training_is_spread_over_devices_however_short_sequences_are():
    keras.utils.set_random_seed(1)
    model = tfmodels.build("gnmt", **SMALL)
    inputs = {"source": tokens((5, 4, 1), 0), "target": tokens((2, 1, 2), 1)}
    plain = model(inputs, training=True)
    names = [device.name for device in tf.config.list_logical_devices("CPU")][:3]
    model.spread([partial(tf.device, name) for name in names], num_chunks=6)
    run = tf.function(lambda: model(inputs, training=True)).get_concrete_function()
    devices = {operation.device for operation in run.graph.get_operations()}
    assert {name.rpartition("/")[2] for name in names} <= {
        name.rpartition("/")[2] for name in devices
    }
    chunked = run()
    for name, values in plain.items():
        assert values.shape == chunked[name].shape
        there = (inputs["target"] > 0)[:, :, None]
        np.testing.assert_allclose(
            values * there, chunked[name] * there, atol=2e-6, rtol=1e-5
        )


def test_layers_share_devices_in_their_order():
    names = [f"/device:CPU:{number}" for number in range(3)]
    place = shared_out([partial(tf.device, name) for name in names], 8)
    placed = []
    for number in range(8):
        with tf.Graph().as_default(), place(number):
            placed.append(int(tf.constant(0).device[-1]))
    assert placed == [0, 0, 0, 1, 1, 1, 2, 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"wiring": "gnmt_v2", "init_state": "encoder_final"}]
)
def test_gradients_of_a_wavefront_are_those_of_the_plain_model(changes):
    keras.utils.set_random_seed(1)
    model = tfmodels.build("gnmt", **SMALL, **changes)
    inputs = {"source": tokens((7, 4, 1), 0), "target": tokens((5, 3, 5), 1)}
    weights = tf.random.stateless_normal([3, 5, 6], [1, 2])
    variables = [v.value for v in model.trainable_variables]

    def plain():
        return model.hidden(inputs, model.new_pass(training=True))

    def chunked():
        return wavefront(model, inputs, 3, place, training=True)

    results = []
    for compute in (plain, chunked):

        @tf.function(autograph=False)
        def run(compute=compute):
            with tf.GradientTape() as tape:
                x, attention = compute()
                loss = tf.reduce_sum(x * weights) + tf.reduce_sum(attention**2)
            found = tape.gradient(
                loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            return [x, attention, *map(tf.convert_to_tensor, found)]

        results.append(run())
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("limit", [None, 0.5])
def test_softmax_in_shards_is_the_whole_one(limit):
    rng = np.random.default_rng(0)
    x, table, bias = (tf.constant(rng.normal(size=s)) for s in ((9, 4), (10, 4), 10))
    labels = tf.constant(rng.integers(0, 10, 9), tf.int32)
    cuts = [slice(0, 3), slice(3, 8), slice(8, 10)]
    given = [x, table, bias]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        shards = [Shard(table[cut], bias[cut]) for cut in cuts]
        ours = cross_entropy(x, labels, shards, place, limit)
        scores = x @ tf.transpose(table) + bias
        if limit is not None:
            scores = tf.clip_by_value(scores, -limit, limit)
        theirs = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for one, two in zip(
        tape.gradient(ours, given), tape.gradient(theirs, given), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)
    if limit is None:
        log_probs, found = top_k(x, 2, shards, place)
        best = tf.math.top_k(tf.nn.log_softmax(scores), 2)
        np.testing.assert_array_equal(found, best.indices)
        np.testing.assert_allclose(log_probs, best.values, rtol=1e-12)
