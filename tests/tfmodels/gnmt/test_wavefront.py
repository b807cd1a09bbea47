"""A layer on each device, and a vocabulary in shards, against the plain model."""

from collections import Counter
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.errors import ConfigError
from tfmodels.gnmt.partitioned_softmax import sharded_logits
from tfmodels.gnmt.wavefront import shared_out
from tfmodels.gnmt.wavefront import wavefront
from tfmodels.metrics.classification import top_k
from tfmodels.metrics.likelihood import nats
from tfmodels.metrics.parts import best_of_parts

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


def places(count):
    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    return [partial(tf.device, names[n % len(names)]) for n in range(count)]


def number(name):
    """The last part of a device's name, by which graphs and machines agree."""
    return int(name.rpartition(":")[2])


def test_wavefront_computes_what_the_plain_model_does():
    keras.utils.set_random_seed(1)
    model = tfmodels.build("gnmt", **SMALL)
    inputs = {"source": tokens((5, 4, 1), 0), "target": tokens((4, 3, 2), 1)}
    plain = model.hidden(inputs, model.new_pass(training=True))
    chunked = wavefront(model, inputs, 2, places(3).__getitem__, training=True)
    for ours, theirs in zip(plain, chunked, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6, rtol=1e-5)


def test_training_is_spread_over_devices_however_short_sequences_are():
    keras.utils.set_random_seed(1)
    flat = {**SMALL, "encoder_layers": 2, "decoder_layers": 2}
    model = tfmodels.build("gnmt", **flat, softmax_bias=True)
    model.softmax_bias.assign(np.random.default_rng(2).normal(size=13))
    inputs = {"source": tokens((5, 4, 1), 0), "target": tokens((2, 1, 2), 1)}
    plain = model(inputs, training=True)
    model.spread(places(3), num_chunks=3, num_shards=3)
    shards = []

    @tf.function(autograph=False)
    def spread():
        made = model(inputs, training=True)
        shards.extend((number(x.device), x.shape[-1]) for x in made["logits"])
        return made

    run = spread.get_concrete_function()
    devices = {o.device for o in run.graph.get_operations() if o.device}
    assert {number(name) for name in devices} >= {0, 1, 2}
    assert shards == [(0, 4), (1, 4), (2, 5)]
    chunked = run()
    chunked["logits"] = tf.concat(chunked["logits"], -1)
    for name, values in plain.items():
        assert values.shape == chunked[name].shape
        there = (inputs["target"] > 0)[:, :, None]
        np.testing.assert_allclose(
            values * there, chunked[name] * there, atol=2e-6, rtol=1e-5
        )
    # Whoever answers scores all tokens.
    assert model(inputs)["logits"].shape == plain["logits"].shape
    with pytest.raises(
        ConfigError, match=r"softmax_shards: .* at most 3, of 3 devices"
    ):
        model.spread(places(3), num_chunks=1, num_shards=4)


def test_layers_share_devices_in_their_order():
    names = [f"/device:CPU:{number}" for number in range(3)]
    place = shared_out([partial(tf.device, name) for name in names], 8)
    placed = []
    for layer in range(8):
        with tf.Graph().as_default(), place(layer)():
            placed.append(int(tf.constant(0).device[-1]))
    assert placed == [0, 0, 0, 1, 1, 1, 2, 2]


@pytest.mark.slow
def test_gradients_of_a_wavefront_are_those_of_the_plain_model():
    keras.utils.set_random_seed(1)
    wiring = {"wiring": "gnmt_v2", "init_state": "encoder_final"}
    model = tfmodels.build("gnmt", **SMALL, **wiring)
    inputs = {"source": tokens((7, 4, 1), 0), "target": tokens((5, 3, 5), 1)}
    variables = [v.value for v in model.trainable_variables]
    results = []
    for num_chunks in (None, 2):
        if num_chunks is not None:
            model.spread(places(3), num_chunks, num_shards=3)

        @tf.function(autograph=False)
        def run(backward):
            with tf.GradientTape() as tape:
                outputs = model(inputs, training=True)
                loss = tf.reduce_sum(outputs["attention"] ** 2)
                loss += tf.reduce_sum(nats(outputs["logits"], inputs["target"], 0.1))
            if not backward:
                return [loss]
            found = tape.gradient(loss, variables)
            return [loss, outputs["attention"], *map(tf.convert_to_tensor, found)]

        results.append(run(True))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6, rtol=1e-5)
    # Gradients of two chunks of an encoder's and a decoder's layer are on their device.
    forward, both = (loops_of(run.get_concrete_function(b)) for b in (False, True))
    assert both - forward == {0: 4, 1: 4, 2: 4}


def loops_of(function):
    """How many loops each device has been given."""
    loops = [o for o in function.graph.get_operations() if "While" in o.type]
    return Counter(number(loop.device) for loop in loops if loop.device)


@pytest.mark.parametrize("limit", [None, 0.5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_softmax_in_shards_is_the_whole_one(limit, smoothing):
    rng = np.random.default_rng(0)
    x, table, bias = (tf.constant(rng.normal(size=s)) for s in ((9, 4), (10, 4), 10))
    labels = tf.constant(rng.integers(0, 10, 9), tf.int32)
    given = [x, table, bias]

    def scored(x, table, bias):
        scores = x @ tf.transpose(table) + bias
        return scores if limit is None else tf.clip_by_value(scores, -limit, limit)

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        parts = sharded_logits(x, table, bias, scored, places(3))
        ours = nats(parts, labels, smoothing)
        scores = scored(x, table, bias)
        target = (1 - smoothing) * tf.one_hot(
            labels, 10, dtype=x.dtype
        ) + smoothing / 10
        theirs = tf.nn.softmax_cross_entropy_with_logits(target, scores)
    assert [number(part.device) for part in parts] == [0, 1, 2]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for one, two in zip(
        tape.gradient(ours, given), tape.gradient(theirs, given), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)
    # Of equal scores, as many are at the limit, the lower token comes first.
    for count in (1, 4, 10):
        best = tf.math.top_k(scores, count)
        values, found = best_of_parts(parts, count)
        np.testing.assert_array_equal(found, best.indices)
        np.testing.assert_allclose(values, best.values, rtol=1e-12)
        weights = tf.constant(rng.random(9), tf.float32)
        hits, one = (top_k(each, labels, weights, count) for each in (parts, scores))
        assert [float(n) for n in hits] == [float(n) for n in one]
