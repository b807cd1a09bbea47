"""Recognisers compiled by XLA, and converted to TFLite, compute the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tests.tfmodels.las.small import CONDITIONINGS
from tests.tfmodels.las.small import ENCODERS
from tests.tfmodels.las.small import batch
from tests.tfmodels.las.small import build
from tests.tfmodels.las.small import row

pytestmark = pytest.mark.slow

LOCATION = {"kind": "location", "location_reach": 2}
VARIANTS = {
    "mean": {},
    "conv": ENCODERS["conv"],
    "weight": {"conditioning": CONDITIONINGS["weight"], "attention": LOCATION},
    "layer": {"conditioning": CONDITIONINGS["layer"], **ENCODERS["pyramid"]},
    "rank_one": {
        "conditioning": CONDITIONINGS["rank_one"],
        "attention": {"kind": "dot", "head_input": "channel_split"},
        "decoder": {"num_layers": 3},
    },
    "adapter": {"conditioning": CONDITIONINGS["adapter"], **ENCODERS["paired"]},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_xla_computes_the_same(name):
    model, examples = build(**VARIANTS[name], encoder_head=True), batch()
    variables = [v.value for v in model.trainable_variables]

    def compute(inputs):
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = sum(tf.reduce_sum(value**2) for value in outputs.values())
        found = tape.gradient(loss, variables)
        return [outputs["logits"], *map(tf.convert_to_tensor, found)]

    inputs = {name: tf.constant(value) for name, value in examples.items()}
    ours = tf.function(compute, autograph=False)(inputs)
    compiled = tf.function(compute, autograph=False, jit_compile=True)(inputs)
    for one, two in zip(ours, compiled, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


NAMES = ("features", "lengths", "variety")


def converted(model, folder):
    """Its parts for one utterance of any length, of TFLite's builtin operations."""
    source = {
        "features": tf.TensorSpec([1, None, 5], tf.float32, "features"),
        "lengths": tf.TensorSpec([1], tf.int32, "lengths"),
        "variety": tf.TensorSpec([1, 3], tf.float32, "variety"),
    }
    given = {name: tf.constant(batch((11,), (4,))[name]) for name in NAMES}

    def spec(name, value):
        shape = [None if size == 6 else size for size in value.shape]
        return tf.TensorSpec(shape, value.dtype, name)

    memory = model.encode(given)
    state = model.initial_state(memory)
    memory, state = (
        {name: spec(name, value) for name, value in part.items()}
        for part in (memory, state)
    )

    def encode(source):
        memory = model.encode(source)
        return {**memory, **model.initial_state(memory)}

    def step(given):
        before, known = (
            {name: given[name] for name in part} for part in (state, memory)
        )
        scored = model.step(given["tokens"], before, known)
        return {"log_probs": scored.log_probs, **scored.state}

    def greedy(source):
        memory = model.encode(source)
        first = model.initial_state(memory)

        def body(t, tokens, state, found):
            scored = model.step(tokens, state, memory)
            tokens = tf.argmax(scored.log_probs, -1, tf.int32)
            return (
                t + 1,
                tokens,
                scored.state,
                found + tokens * tf.one_hot(t, 6, dtype=tf.int32),
            )

        loop = (0, tf.ones([1], tf.int32), first, tf.zeros([6], tf.int32))
        return {"found": tf.while_loop(lambda t, *_: t < 6, body, loop)[-1]}

    tokens = tf.TensorSpec([1], tf.int32, "tokens")
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("encode", encode, [source])
    archive.add_endpoint("step", step, [{"tokens": tokens, **state, **memory}])
    archive.add_endpoint("greedy", greedy, [source])
    archive.write_out(folder, verbose=False)
    names = ["encode", "step", "greedy"]
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, names)
    interpreter = Interpreter(model_content=converter.convert())
    return {name: interpreter.get_signature_runner(name) for name in names}


@pytest.mark.parametrize("name", ["weight", "layer", "adapter"])
def test_tflite_answers_the_same(name, tmp_path):
    model, examples = build(**VARIANTS[name]), batch((11,), (4,))
    parts = converted(model, str(tmp_path))
    for length in (11, 4, 1):
        source = {name: row(examples, 0, length)[name] for name in NAMES}
        source["lengths"] = np.array([length], np.int32)
        memory = model.encode(source)
        state, tokens, found = model.initial_state(memory), np.array([1], "i"), []
        encoded = parts["encode"](**source)
        ours = {name: encoded[name] for name in (*memory, *state)}
        for _ in range(6):
            scored = model.step(tokens, state, memory)
            made = parts["step"](tokens=tokens, **ours)
            np.testing.assert_allclose(made["log_probs"], scored.log_probs, atol=1e-5)
            ours.update((name, made[name]) for name in state)
            state, tokens = scored.state, np.argmax(scored.log_probs, -1).astype("i")
            found.append(tokens[0])
        np.testing.assert_array_equal(parts["greedy"](**source)["found"], found)
