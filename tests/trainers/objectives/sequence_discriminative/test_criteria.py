"""Criteria against printed values; identities between them."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import LENGTHS
from tests.tfmodels.lattices.enumeration import PHONES
from tests.tfmodels.lattices.enumeration import REFERENCE
from tests.tfmodels.lattices.enumeration import SCORES
from tests.tfmodels.lattices.enumeration import random_graph
from tests.tfmodels.lattices.enumeration import t3
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.pruning import lattice_mask
from trainers.objectives.sequence_discriminative.accuracy import Phones
from trainers.objectives.sequence_discriminative.accuracy import phone_accuracy
from trainers.objectives.sequence_discriminative.accuracy import phone_error
from trainers.objectives.sequence_discriminative.accuracy import state_accuracy
from trainers.objectives.sequence_discriminative.criteria import Criterion
from trainers.objectives.sequence_discriminative.criteria import Denominator
from trainers.objectives.sequence_discriminative.criteria import auxiliary
from trainers.objectives.sequence_discriminative.criteria import differentiable
from trainers.objectives.sequence_discriminative.criteria import frame_cross_entropy
from trainers.objectives.sequence_discriminative.criteria import minimum_bayes_risk
from trainers.objectives.sequence_discriminative.criteria import mmi
from trainers.objectives.sequence_discriminative.criteria import numerator_sums

TOY = Denominator(arcs(t3()))
PHONES_OF_TOY = Phones(tf.constant(PHONES, tf.int32), tf.constant([False, True]))
NO_SILENCE = PHONES_OF_TOY._replace(is_silence=tf.constant([False, False]))


def mmi_of(
    scores: np.ndarray,
    denominator: Denominator = TOY,
    reference: np.ndarray = REFERENCE,
    lengths: np.ndarray = LENGTHS,
    **options: object,
) -> Criterion:
    values = tf.constant(scores)
    numerator = numerator_sums(values, lengths, tf.constant(reference), denominator)
    return mmi(values, lengths, numerator, denominator, **options)


def test_printed_mmi() -> None:
    criterion = mmi_of(SCORES)
    np.testing.assert_allclose(criterion.value, [-1.626944], atol=1e-6)
    expected = [
        [0.234144, -0.196443, -0.037702],
        [0.576209, -0.477412, -0.098797],
        [-0.219534, 0.398410, -0.178876],
    ]
    np.testing.assert_allclose(criterion.derivative[0], expected, atol=1e-6)
    numerator = numerator_sums(
        tf.constant(SCORES), LENGTHS, tf.constant(REFERENCE), TOY
    )
    np.testing.assert_allclose(numerator.log_z, [-0.707946], atol=1e-6)


def test_printed_mmi_at_half_the_scale() -> None:
    criterion = mmi_of(SCORES / 2)
    np.testing.assert_allclose(criterion.value, [-1.935444], atol=1e-6)
    outer = 0.5 * criterion.derivative[0, 0]
    np.testing.assert_allclose(outer, [0.174180, -0.128309, -0.045871], atol=1e-6)


def test_printed_boosted_mmi() -> None:
    error = phone_error(tf.constant(REFERENCE), PHONES_OF_TOY, max_silence_error=1.0)
    boosted = mmi_of(SCORES, boost=error._replace(values=0.5 * error.values))
    value = -0.707946 - 1.133862
    np.testing.assert_allclose(boosted.value, [value], atol=1e-6)
    expected = [-0.190834, 0.487216, -0.296382]
    np.testing.assert_allclose(boosted.derivative[0, 2], expected, atol=1e-6)
    accurate = error._replace(values=-0.5 * (1 - error.values))
    other = mmi_of(SCORES, boost=accurate)
    np.testing.assert_allclose(other.value, [-0.707946 + 0.366138], atol=1e-6)
    none = mmi_of(SCORES, boost=error._replace(values=0 * error.values))
    np.testing.assert_array_equal(none.derivative, mmi_of(SCORES).derivative)


def test_silence_errors_are_bounded() -> None:
    error = phone_error(tf.constant([[0, 2]]), PHONES_OF_TOY, max_silence_error=0.25)
    np.testing.assert_array_equal(error.values, [[[0, 0.25], [1, 0]]])


@pytest.mark.parametrize("one_class", [True, False])
def test_printed_smbr(one_class: bool) -> None:
    accuracy = state_accuracy(tf.constant(REFERENCE), PHONES_OF_TOY, one_class)
    result = minimum_bayes_risk(tf.constant(SCORES), LENGTHS, TOY, accuracy)
    np.testing.assert_allclose(result.value, [1.791237], atol=1e-6)
    expected = [0.233515, -0.195226, -0.038289]
    np.testing.assert_allclose(result.derivative[0, 0], expected, atol=1e-6)


def test_printed_mpfe() -> None:
    accuracy = phone_accuracy(tf.constant(REFERENCE), NO_SILENCE, False)
    result = minimum_bayes_risk(tf.constant(SCORES), LENGTHS, TOY, accuracy)
    np.testing.assert_allclose(result.value, [2.684626], atol=1e-6)
    expected = [0.056319, -0.003655, -0.052664]
    np.testing.assert_allclose(result.derivative[0, 0], expected, atol=1e-6)


def test_rules_of_silence_by_hand() -> None:
    # Outputs 0, 1: phone 0; 2, 3: silences 1 and 2. Said: 0, then silence 2.
    phones = Phones(tf.constant([0, 0, 1, 2]), tf.constant([False, True, True]))
    said = tf.constant([[0, 2]])
    states = [state_accuracy(said, phones, rule).values[0] for rule in (True, False)]
    np.testing.assert_array_equal(states[0], [[1, 0, 0, 0], [0, 0, 1, 1]])
    np.testing.assert_array_equal(states[1], [[1, 0, 0, 0], [0, 0, 0, 0]])
    frames = [phone_accuracy(said, phones, rule).values[0] for rule in (True, False)]
    np.testing.assert_array_equal(frames[0], [[1, 0, 0], [0, 1, 1]])
    np.testing.assert_array_equal(frames[1], [[1, 0, 0], [0, 0, 0]])


def test_rules_of_silence_change_the_derivative() -> None:
    said = tf.constant([[0, 2, 1]])
    derivatives = [
        minimum_bayes_risk(
            tf.constant(SCORES), LENGTHS, TOY, state_accuracy(said, PHONES_OF_TOY, rule)
        ).derivative.numpy()
        for rule in (True, False)
    ]
    assert np.abs(derivatives[0] - derivatives[1]).max() > 0.01


def test_constants_of_frames_change_nothing() -> None:
    moved = SCORES + np.array([3.0, -40.0, 7.0])[None, :, None]
    for value, other in zip(mmi_of(SCORES), mmi_of(moved), strict=True):
        np.testing.assert_allclose(value, other, atol=1e-9)
    np.testing.assert_allclose(mmi_of(SCORES).derivative.numpy().sum(-1), 0, atol=1e-9)


def test_mmi_is_never_above_zero_and_falls_with_the_beam() -> None:
    graph = random_graph(1, 3, 7, 4)
    random = np.random.RandomState(0)
    scores = random.randn(8, 4, 4)
    lengths = np.full(8, 4)
    reference = random.randint(4, size=(8, 4))
    values = []
    for beam in (0.0, 1.0, 3.0, 1e9):
        mask = lattice_mask(
            tf.constant(scores),
            lengths,
            arcs(graph),
            beam,
            reference=tf.constant(reference),
        )
        criterion = mmi_of(scores, Denominator(arcs(graph), mask), reference, lengths)
        values.append(criterion.value.numpy())
    possible = criterion.is_possible.numpy()
    assert 0 < possible.sum() < 8
    assert (np.array(values)[:, possible] < 1e-12).all()
    assert (np.diff(values, axis=0) <= 1e-12).all()
    assert not np.array(values)[:, ~possible].any()
    assert not criterion.derivative.numpy()[~possible].any()
    full = mmi_of(scores, Denominator(arcs(graph)), reference, lengths)
    np.testing.assert_allclose(criterion.value, full.value, rtol=1e-9)
    np.testing.assert_allclose(criterion.derivative, full.derivative, atol=1e-12)


def test_a_denominator_that_is_its_numerator() -> None:
    path = Graph(
        source=[0, 1, 2],
        target=[1, 2, 3],
        pdf=REFERENCE[0],
        weight=[-1, -2, 0.5],
        initial=[0, LOG_ZERO, LOG_ZERO, LOG_ZERO],
        final=[LOG_ZERO, LOG_ZERO, LOG_ZERO, 0],
        phone=[0, 0, 0],
        word=[0, 0, 0],
    )
    criterion = mmi_of(SCORES, Denominator(stack([path])))
    np.testing.assert_allclose(criterion.value, [0], atol=1e-9)
    np.testing.assert_allclose(criterion.derivative, 0, atol=1e-9)
    scores = tf.constant(SCORES)
    graph = numerator_sums(scores, LENGTHS, stack([path]), TOY)
    alignment = numerator_sums(
        scores, LENGTHS, tf.constant(REFERENCE), Denominator(stack([path]))
    )
    np.testing.assert_allclose(graph.log_z, alignment.log_z, rtol=1e-9)
    np.testing.assert_allclose(graph.gamma, alignment.gamma, atol=1e-9)


def test_dropped_frames() -> None:
    scores = SCORES.copy()
    scores[0, 1] = [-60, 0, 0]
    kept, dropped = (mmi_of(scores, drop_frames=drop) for drop in (False, True))
    assert dropped.is_dropped.numpy().tolist() == [[False, True, False]]
    assert not kept.is_dropped.numpy().any()
    assert not dropped.derivative[0, 1].numpy().any()
    np.testing.assert_array_equal(dropped.derivative[0, 0], kept.derivative[0, 0])
    np.testing.assert_array_equal(dropped.value, kept.value)


def test_a_leaky_denominator() -> None:
    leaky = mmi_of(SCORES, TOY._replace(leak=0.1))
    plain = mmi_of(SCORES)
    assert leaky.value[0] < plain.value[0]
    np.testing.assert_allclose(leaky.derivative.numpy().sum(-1), 0, atol=1e-9)
    tight = mmi_of(SCORES, TOY._replace(leak=1e-12))
    np.testing.assert_allclose(tight.value, plain.value, rtol=1e-9)


def test_auxiliary_function_has_the_gradient_at_its_point() -> None:
    weights = tf.Variable(np.random.RandomState(0).randn(5, 3))
    features = tf.constant(np.random.RandomState(1).randn(1, 3, 5))
    with tf.GradientTape(persistent=True) as tape:
        scores = features @ weights
        criterion = mmi_of(scores)
        value = differentiable(criterion, scores)
        tangent = auxiliary(criterion.derivative, scores)
    np.testing.assert_array_equal(value, criterion.value)
    exact = tape.gradient(value, weights).numpy()
    np.testing.assert_allclose(tape.gradient(tangent, weights), exact, rtol=1e-12)
    # Each frame drawn once from a pool adds up to the gradient of the utterance.
    frames = [
        np.outer(features[0, frame], criterion.derivative[0, frame])
        for frame in (2, 0, 1)
    ]
    np.testing.assert_allclose(np.sum(frames, axis=0), exact, rtol=1e-9)
    step = 1e-5
    for place in np.ndindex(5, 3):
        moved = []
        for way in (1, -1):
            other = weights.numpy()
            other[place] += way * step
            moved.append(float(mmi_of(features.numpy() @ other).value[0]))
        difference = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose(exact[place], difference, rtol=1e-6, atol=1e-9)


def test_cross_entropy_of_frames() -> None:
    logits = np.concatenate([SCORES, np.full((1, 1, 3), np.nan)], axis=1)
    target = tf.one_hot(np.array([[0, 0, 1, 0]]), 3, dtype=tf.float64)
    values = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = frame_cross_entropy(values, LENGTHS, target)
    probs = np.exp(SCORES[0]) / np.exp(SCORES[0]).sum(-1, keepdims=True)
    expected = np.log(probs[np.arange(3), REFERENCE[0]]).sum()
    np.testing.assert_allclose(total, [expected], rtol=1e-9)
    gradient = tape.gradient(total, values).numpy()[0]
    np.testing.assert_allclose(gradient[:3], np.eye(3)[REFERENCE[0]] - probs, atol=1e-9)
    assert not gradient[3].any()
