"""Gradient reversal: hand values, a clip that acts, an adversary that works."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.layers.gradient_reversal import clipped_share
from tfmodels.layers.gradient_reversal import reverse_gradient

UPSTREAM = [[0.1, 2.0], [-3.0, 0.4]]


def passed(upstream, unit, **settings):
    x = tf.constant([[5.0, 6.0], [7.0, 8.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        same, units = reverse_gradient(x, **settings)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(units, [0, 0])
    return tape.gradient([same, units], x, [tf.constant(upstream), tf.constant(unit)])


def test_hand_values():
    found = passed(UPSTREAM, [1.0, 1.0], scale=0.7)
    np.testing.assert_allclose(found, [[-0.07, -0.35], [0.35, -0.28]], rtol=1e-6)


def test_the_clip_is_in_units_of_a_token():
    upstream = [[0.3, 0.3], [0.3, 0.3]]
    found = passed(upstream, [0.25, 0.25], scale=0.7)
    np.testing.assert_allclose(found, np.full((2, 2), -0.7 * 0.125), rtol=1e-6)


@pytest.mark.parametrize(
    ("clip", "expected"),
    [("none", [[-0.1, -2.0], [3.0, -0.4]]), ("norm", None)],
)
def test_other_clips(clip, expected):
    found = passed(UPSTREAM, [1.0, 1.0], clip=clip).numpy()
    if expected is None:
        np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 0.5, rtol=1e-6)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_token_that_does_not_count_passes_nothing():
    found = passed(UPSTREAM, [0.0, 1.0])
    np.testing.assert_array_equal(found[0], [0, 0])


class Adversary:
    """One linear encoder and a classifier of two layers behind the reversal."""

    def __init__(self, scale=1.0, last=1.0):
        random = np.random.default_rng(0)
        self.data = tf.constant(random.normal(size=(6, 4)), tf.float32)
        self.labels = tf.constant([0, 1, 2, 0, 1, 2])
        self.encoder = tf.Variable(random.normal(size=(4, 3)), dtype=tf.float32)
        self.hidden = tf.Variable(random.normal(size=(3, 5)), dtype=tf.float32)
        self.last = tf.Variable(last * random.normal(size=(5, 3)), dtype=tf.float32)
        self.scale = scale

    def loss(self, times=1):
        data, labels = tf.tile(self.data, [times, 1]), tf.tile(self.labels, [times])
        seen, unit = reverse_gradient(data @ self.encoder, self.scale)
        logits = tf.nn.relu(seen @ self.hidden) @ self.last
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return 0.02 * tf.reduce_mean(losses + unit - tf.stop_gradient(unit))

    def gradients(self, times=1):
        with tf.GradientTape() as tape:
            loss = self.loss(times)
        return loss, tape.gradient(loss, [self.encoder, self.hidden, self.last])

    def share(self):
        encodings = self.data @ self.encoder
        with tf.GradientTape() as tape:
            tape.watch(encodings)
            logits = tf.nn.relu(encodings @ self.hidden) @ self.last
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, logits)
        found = tape.gradient(losses, encodings)
        return float(clipped_share(found, tf.ones([6]), 0.5))


def test_duplicates_change_nothing():
    system = Adversary()
    for once, twice in zip(
        tf.nest.flatten(system.gradients()),
        tf.nest.flatten(system.gradients(2)),
        strict=True,
    ):
        np.testing.assert_allclose(once, twice, rtol=1e-5, atol=1e-8)


def test_a_larger_classifier_is_clipped():
    assert Adversary(last=0.01).share() == 0
    assert Adversary(last=10.0).share() > 0


def test_encoder_and_classifier_work_against_each_other():
    system = Adversary()
    before, (encoder, *classifier) = system.gradients()
    system.encoder.assign_sub(encoder)
    assert system.loss() > before
    system.encoder.assign_add(encoder)
    for variable, gradient in zip(
        [system.hidden, system.last], classifier, strict=True
    ):
        variable.assign_sub(gradient)
    assert system.loss() < before


def test_without_scale_the_encoder_hears_nothing():
    _, (encoder, *_) = Adversary(scale=0.0).gradients()
    np.testing.assert_array_equal(encoder, np.zeros((4, 3)))
