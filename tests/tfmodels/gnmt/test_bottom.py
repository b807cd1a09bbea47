"""The gradient of the lowest decoder layer with attention, against two others."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.gnmt.attention import Memory
from tfmodels.gnmt.attention import Weights
from tfmodels.gnmt.attention import attend
from tfmodels.gnmt.bottom import First
from tfmodels.gnmt.bottom import bottom_sequence
from tfmodels.layers.lstm import gated

T, B, S, H, A = 4, 3, 5, 2, 3
LIMIT = 0.3


def some(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape))


def mask(longest, lengths):
    return tf.constant(np.arange(longest)[:, None] < lengths, tf.float64)


def unrolled(sums, kernel, weights, memory, steps, first, limit, cell):
    """The same, step by step in Python, differentiated by TensorFlow."""
    h, c, a = first
    made = []
    for t in range(T):
        seen = tf.concat([a, h], -1) if kernel.shape[0] > H else h
        m, new, _ = gated(sums[t] + seen @ kernel, c, limit, cell)
        h, c = tf.where(steps[t] > 0, m, h), tf.where(steps[t] > 0, new, c)
        a, p = attend(h, weights, memory)
        made.append((h, a, p))
    return *(tf.stack(parts) for parts in zip(*made, strict=True)), None, c


def loss(function, cell, sums, kernel, query, score, encodings, keys, *first):
    memory = Memory(encodings, keys, tf.transpose(mask(S, [5, 3, 0])))
    steps = mask(T, [4, 2, 3])[:, :, None]
    made = function(
        sums,
        kernel,
        Weights(query, score),
        memory,
        steps,
        First(*first),
        LIMIT,
        cell,
    )
    outputs, contexts, shares, _, last = made
    total = tf.reduce_sum(outputs * some(T, B, H, seed=20))
    total += tf.reduce_sum(last * some(B, H, seed=23))
    total += tf.reduce_sum(contexts * some(T, B, H, seed=21))
    return total + tf.reduce_sum(shares * some(T, B, S, seed=22))


def values(fed):
    first = [0.2 * some(B, H, seed=seed) for seed in (7, 8, 9)]
    return [
        some(T, B, 4 * H),
        some(2 * H if fed else H, 4 * H, seed=1),
        some(H, A, seed=2),
        some(A, seed=3),
        some(B, S, H, seed=4),
        some(B, S, A, seed=5),
        *first,
    ]


@pytest.mark.parametrize("fed", [True, False])
@pytest.mark.parametrize("cell", ["gnmt", "standard"])
def test_gradient_is_that_of_autodiff(fed, cell):
    results = []
    for function in (bottom_sequence, unrolled):
        learned = values(fed)
        with tf.GradientTape() as tape:
            tape.watch(learned)
            total = loss(function, cell, *learned)
        gradients = tape.gradient(
            total, learned, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        results.append([total, *gradients])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_gradient_is_that_of_finite_differences():
    learned = values(fed=True)

    @tf.function(autograph=False)
    def total(*learned):
        return loss(bottom_sequence, "gnmt", *learned)

    with tf.GradientTape() as tape:
        tape.watch(learned)
        at = total(*learned)
    for place, gradient in enumerate(tape.gradient(at, learned)):
        way = some(*gradient.shape, seed=place + 30)
        ends = []
        for size in (1e-6, -1e-6):
            moved = list(learned)
            moved[place] = moved[place] + size * way
            ends.append(total(*moved))
        slope = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(tf.reduce_sum(gradient * way), slope, rtol=1e-6)


def test_attention_is_a_mean_over_what_is_there():
    query, score, encodings, keys = (x.numpy() for x in values(fed=True)[2:6])
    there = np.asarray(mask(S, [5, 3, 0])).T
    memory = Memory(encodings, keys, tf.constant(there))
    asked = some(B, H, seed=40).numpy()
    context, shares = attend(asked, Weights(query, score), memory)
    hidden = np.tanh((asked @ query)[:, None] + keys)
    expected = np.exp(hidden @ score) * there
    expected[:2] /= expected[:2].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected, atol=1e-12)
    assert np.all(np.asarray(shares)[there == 0] == 0)
    means = (np.asarray(shares)[:, :, None] * encodings).sum(axis=1)
    np.testing.assert_allclose(context, means, atol=1e-12)
