"""Scheduled sampling: what the decoder is fed, and when."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.las.small import batch
from tests.tfmodels.las.small import build
from tfmodels.las.scheduled import share_at
from tfmodels.las.scheduled import with_own_units

SCHEDULE = {"share": 1.0, "begin": 10, "steps": 20}
OWN = 7


def seeds(rows, first=0):
    return tf.constant([[first, row] for row in range(rows)], tf.int64)


@pytest.fixture(scope="module")
def model():
    """Nearly always it says the same unit."""
    made = build(scheduled_sampling=SCHEDULE)
    made.bias.assign(100.0 * (np.arange(11) == OWN))
    return made


def test_a_share_that_rises(model):
    schedule = model.config.scheduled_sampling
    found = [float(share_at(schedule, tf.constant(n))) for n in (0, 10, 15, 30, 99)]
    assert found == [0, 0, 0.25, 1, 1]


def test_training_is_fed_what_the_model_says(model):
    examples = {**batch(), "seed": seeds(3)}
    model.at_step(10)
    told = model(examples)["logits"]
    np.testing.assert_array_equal(model(examples, training=True)["logits"], told)
    model.at_step(30)
    own = examples["target"].copy()
    own[:, 1:][own[:, 1:] > 0] = OWN
    expected = model({**examples, "target": own})["logits"]
    assert np.abs(expected - told).max() > 1e-3
    made = model(examples, training=True)["logits"]
    np.testing.assert_allclose(made, expected, atol=1e-5)
    np.testing.assert_array_equal(model(examples)["logits"], told)


def test_as_often_as_it_should_and_as_likely_as_the_model_says():
    """With XLA too; each unit given the drawn ones before it."""
    rows, model = 3000, build()
    one = {name: values[:1] for name, values in batch(units=(3,)).items()}
    memory = model.encode(one)
    many = {name: tf.repeat(values, rows, 0) for name, values in memory.items()}
    target = np.repeat(one["target"], rows, 0)

    def draw(share):
        return with_own_units(model, many, target, seeds(rows), share, 11)

    compiled = tf.function(draw, jit_compile=True, autograph=False)
    made = compiled(tf.constant(1.0)).numpy()
    assert (made[:, 0] == 1).all()
    logits = model.decode_targets(memory, np.array([[1, 0, 0]]))["logits"][0, 0]
    first = made[:, 1]
    probs = tf.nn.softmax(logits).numpy()[1:]
    shares = np.bincount(first, minlength=11)[1:] / rows
    np.testing.assert_allclose(shares, probs / probs.sum(), atol=0.035)
    common = np.bincount(first).argmax()
    logits = model.decode_targets(memory, np.array([[1, common, 0]]))["logits"][0, 1]
    second = made[first == common, 2]
    probs = tf.nn.softmax(logits).numpy()[1:]
    shares = np.bincount(second, minlength=11)[1:] / len(second)
    np.testing.assert_allclose(shares, probs / probs.sum(), atol=0.08)
    part = draw(tf.constant(0.3)).numpy()
    drawn = part[:, 1] == first
    kept = part[:, 1] == target[:, 1]
    assert (drawn | kept).all()
    by_chance = (first == target[:, 1]).mean()
    assert drawn.mean() == pytest.approx(0.3 + 0.7 * by_chance, abs=0.03)
