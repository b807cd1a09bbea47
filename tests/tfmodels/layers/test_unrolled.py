"""The loop's states and gradients beside a plain loop and finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.layers.unrolled import Part
from tfmodels.layers.unrolled import unrolled

STEPS, MADE, ROWS = 4, 3, 2


def draw(*shape):
    random = np.random.default_rng(sum(shape))
    return tf.constant(random.normal(0, 0.6, shape))


def tensors():
    """Inputs, first states, kernels with and without something added, and others."""
    first = {"h": draw(ROWS, 3), "looked": draw(ROWS, 4)}
    maps = {
        "again": (draw(3, 5), draw(1, 5)),
        "each": (draw(ROWS, 5, 4), draw(ROWS, 4)),
        "last": (draw(4, 3),),
    }
    return draw(STEPS, ROWS, 5), first, maps, {"slope": draw(3)}


def function(times, learned, x, keep, state):
    hidden = tf.tanh(times("again", state["h"]) + x)
    looked = tf.nn.softmax(times("each", hidden) * (1 + state["looked"]))
    new = tf.sin(times("last", looked)) * learned["slope"]
    return {"h": new + keep * (state["h"] - new), "looked": looked}


def plain(part, inputs, given, first, count, shown):
    """What `unrolled` says that it does, with TensorFlow's gradient."""
    made, state = [], first
    for t in range(inputs.shape[0]):
        if t < int(count):
            state = part(inputs[t], None if given is None else given[t], state)
            made.append([state[name] for name in shown])
        else:
            made.append([tf.zeros_like(each) for each in made[0]])
    return [tf.stack(each) for each in zip(*made, strict=True)]


def loss(run, inputs, first, maps, learned):
    part = Part(function, maps, learned)
    keep = tf.constant([0.3, 0.0, 1.0, 0.5], tf.float64)[:, None, None]
    h, looked = run(part, inputs, keep, first, MADE, ("h", "looked"))
    far = tf.range(STEPS * ROWS * 4, dtype=tf.float64)
    return tf.reduce_sum(h**2) + tf.tensordot(tf.reshape(looked, [-1]), far, 1)


def differentiated(run):
    values = tensors()
    with tf.GradientTape() as tape:
        tape.watch(values)
        found = loss(run, *values)
    flat = tf.nest.flatten(values)
    return [found, *tape.gradient(found, flat)]


def agree(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", [None, False, True])
def test_as_a_plain_loop(compiled):
    def run():
        return differentiated(unrolled)

    found = run() if compiled is None else tf.function(run, jit_compile=compiled)()
    agree(found, differentiated(plain))


def test_by_finite_differences():
    values = tensors()
    flat = tf.nest.flatten(values)
    found = differentiated(unrolled)[1:]
    for place, (value, gradient) in enumerate(zip(flat, found, strict=True)):
        for number in (0, int(tf.size(value)) - 1):
            ends = []
            for change in (1e-6, -1e-6):
                moved = value.numpy()
                moved.flat[number] += change
                changed = [*flat[:place], tf.constant(moved), *flat[place + 1 :]]
                changed = tf.nest.pack_sequence_as(values, changed)
                ends.append(loss(unrolled, *changed))
            slope = float(ends[0] - ends[1]) / 2e-6
            assert gradient.numpy().flat[number] == pytest.approx(slope, abs=1e-6)


def test_what_is_behind_the_last_step_is_zero():
    values = tensors()
    part = Part(function, values[2], values[3])
    keep = tf.zeros([STEPS, 1, 1], tf.float64)
    (looked,) = unrolled(part, values[0], keep, values[1], MADE, ("looked",))
    np.testing.assert_array_equal(looked[MADE:], np.zeros((STEPS - MADE, ROWS, 4)))
    assert np.all(looked[:MADE] > 0)
