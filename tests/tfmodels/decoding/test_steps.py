"""Tests of steps made of steps, and of given sequences' probabilities."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.decoding.tables import Tables
from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.beam_search import beam_search
from tfmodels.decoding.combination import ensemble
from tfmodels.decoding.combination import fused
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.constraints import Allowed
from tfmodels.decoding.constraints import constrained
from tfmodels.decoding.constraints import counted
from tfmodels.decoding.constraints import prefixed
from tfmodels.decoding.forced import score
from tfmodels.decoding.step import StepOutput
from tfmodels.decoding.step import repeated

CONFIG = BeamSearchConfig(beam_width=4, n_best=4, pruning_margin=None)


def find(tables: Tables, allowed: Allowed | None = None) -> Hypotheses:
    step, state = tables.step, tables.state()
    if allowed is not None:
        step, state = constrained(step, allowed), counted(state)
    return beam_search(
        step, state, tables.limits(6), 6, CONFIG, tables.mask()
    ).hypotheses


def test_forced_scores_are_those_of_the_search():
    tables = Tables(3, vocabulary=6)
    found = find(tables)
    flat = tf.reshape(found.ids, [12, 6])
    lengths = tf.reshape(found.lengths, [-1])
    scores = score(tables.step, repeated(tables.state(), 4), flat, lengths)
    np.testing.assert_allclose(
        tf.reduce_sum(scores, 1), tf.reshape(found.log_probs, [-1]), atol=1e-5
    )
    after = np.arange(6) >= lengths.numpy()[:, None]
    assert after.any()
    assert not scores.numpy()[after].any()
    first = tables.log_probs[1, 0, 1, int(found.ids[1, 0, 0])]
    assert float(scores[4, 0]) == pytest.approx(first)


def test_gradient_of_forced_scores():
    logits = tf.constant([[0.1, -0.2, 0.4, 0.3]])

    def step(tokens: tf.Tensor, state: tf.Tensor) -> StepOutput:
        return StepOutput(tf.nn.log_softmax(state), state, tf.zeros([1, 0]))

    targets = tf.constant([[3, 3, 2, 0]])

    @tf.function(autograph=False)
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total = tf.reduce_sum(score(step, logits, targets, tf.constant([3])))
        return tape.gradient(total, logits)

    expected = np.array([[0, 0, 1, 2]]) - 3 * tf.nn.softmax(logits).numpy()
    np.testing.assert_allclose(gradient(), expected, atol=1e-6)


def test_ensemble_is_the_mean_of_probabilities():
    tables = [Tables(2, seed=seed) for seed in range(3)]
    states = tuple(each.state() for each in tables)
    tokens = tf.constant([1, 1])
    output = ensemble([each.step for each in tables])(tokens, states)
    expected = np.mean([np.exp(each.log_probs[:, 0, 1]) for each in tables], axis=0)
    np.testing.assert_allclose(np.exp(output.log_probs), expected, atol=1e-6)
    attention = np.mean([each.attention[:, 0, 1] for each in tables], axis=0)
    np.testing.assert_allclose(output.attention, attention, atol=1e-6)


def test_ensemble_of_one_model_is_that_model():
    tables = Tables(3, vocabulary=6)
    step, state = ensemble([tables.step] * 2), (tables.state(), tables.state())
    found = beam_search(step, state, tables.limits(6), 6, CONFIG, tables.mask())
    assert np.array_equal(found.hypotheses.ids, find(tables).ids)


def constant(probabilities: list[float]) -> StepOutput:
    log_probs = tf.math.log([probabilities])
    return StepOutput(log_probs, tf.zeros([1, 1]), tf.zeros([1, 0]))


@pytest.mark.parametrize(
    ("weight", "best", "expected"), [(0.0, 0, np.log(0.5)), (0.3, 1, -1.2709)]
)
def test_shallow_fusion(weight: float, best: int, expected: float):
    # Acoustic and language model of the recogniser's specification, section 8.
    step = fused(
        lambda tokens, state: constant([0.5, 0.3, 0.2]),
        lambda tokens, state: constant([0.1, 0.8, 0.1]),
        weight,
    )
    nothing = tf.zeros([1, 1])
    log_probs = step(tf.constant([1]), (nothing, nothing)).log_probs.numpy()[0]
    assert log_probs.argmax() == best
    assert log_probs[best] == pytest.approx(expected, abs=1e-4)


def test_prefixes_begin_all_sequences_and_are_priced():
    tables = Tables(3, vocabulary=6)
    prefix = tf.constant([[3, 0], [0, 0], [4, 4]])
    found = find(tables, prefixed(repeated(prefix, 4), 6))
    free = find(tables)
    assert (found.lengths.numpy() > 0).all()
    assert (found.ids[0, :, 0].numpy() == 3).all()
    assert np.array_equal(found.ids[1], free.ids[1])
    assert (found.ids[2, :, :2].numpy() == 4).all()
    for example in (0, 2):
        ids = found.ids[example, 0, : int(found.lengths[example, 0])].numpy().tolist()
        expected, _ = tables.follow(example, ids)
        assert float(found.log_probs[example, 0]) == pytest.approx(expected, abs=1e-5)


def test_pruning_spares_what_a_prefix_asks_for():
    tables = Tables(1, vocabulary=6)
    unlikely = int(tables.log_probs[0, 0, 1].argmin())
    assert np.ptp(tables.log_probs[0, 0, 1]) > 1
    step = constrained(tables.step, prefixed(tf.fill([2, 1], unlikely), 6))
    config = BeamSearchConfig(beam_width=2, pruning_margin=1.0)
    found = beam_search(
        step, counted(tables.state()), tables.limits(6), 6, config, tables.mask()
    )
    assert int(found.hypotheses.ids[0, 0, 0]) == unlikely


def test_tokens_that_are_not_allowed_do_not_occur():
    tables = Tables(3, vocabulary=6)

    def allowed(tokens: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        # No 5 at all, and no 3 after a 4 nor as the first.
        no_three = (tokens == 4) | (place == 0)
        forbidden = tf.one_hot(tf.where(no_three, 3, -1), 6) + tf.one_hot(5, 6)
        return forbidden == 0

    found = find(tables, allowed).ids.numpy()
    assert (find(tables).ids.numpy() == 5).any()
    assert not (found == 5).any()
    assert not (found[:, :, 0] == 3).any()
    assert not ((found[:, :, :-1] == 4) & (found[:, :, 1:] == 3)).any()
