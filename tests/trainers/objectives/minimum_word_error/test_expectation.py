"""Expected errors of lists and of drawn answers: by hand, and over all there are."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainers.objectives.minimum_word_error.expectation import of_lists
from trainers.objectives.minimum_word_error.expectation import of_samples
from trainers.objectives.minimum_word_error.expectation import posteriors

PROBS, ERRORS = np.log([[0.4, 0.2, 0.1, 0.05]]), np.array([[1.0, 0.0, 2.0, 3.0]])
ALL = np.ones([1, 4], bool)


def with_gradient(log_probs, errors, valid=None, scale=1.0):
    """Values of lists [b], and their gradient."""
    log_probs = tf.constant(log_probs)
    valid = np.ones(log_probs.shape, bool) if valid is None else valid
    with tf.GradientTape() as tape:
        tape.watch(log_probs)
        values = of_lists(log_probs, tf.constant(errors), tf.constant(valid), scale)
    return values.numpy(), tape.gradient(values, log_probs).numpy()


def test_the_list_of_the_specification() -> None:
    probs, logs = posteriors(tf.constant(PROBS), tf.constant(ALL))
    np.testing.assert_allclose(probs[0], np.array([8, 4, 2, 1]) / 15, atol=1e-12)
    np.testing.assert_allclose(tf.exp(logs), probs, atol=1e-12)
    assert float((probs @ ERRORS.T)[0, 0]) == pytest.approx(1.0)
    values, gradient = with_gradient(PROBS, ERRORS)
    assert values[0] == pytest.approx(-0.5)
    np.testing.assert_allclose(gradient[0], [0, -4 / 15, 2 / 15, 2 / 15], atol=1e-12)


@pytest.mark.parametrize(
    ("scale", "expected", "errors"),
    [(0.8, [0.47763, 0.27432, 0.15756, 0.09049], 1.06422), (0.5, None, 1.19526)],
)
def test_flatter_probabilities_over_the_list(scale, expected, errors) -> None:
    probs, _ = posteriors(tf.constant(PROBS), tf.constant(ALL), scale)
    if expected is not None:
        np.testing.assert_allclose(probs[0], expected, atol=5e-6)
    found = float(tf.reduce_sum(probs * ERRORS))
    assert found == pytest.approx(errors, abs=5e-6)
    _, gradient = with_gradient(PROBS, ERRORS, scale=scale)
    np.testing.assert_allclose(gradient, scale * probs * (ERRORS - found), atol=1e-12)


def test_the_mean_moves_values_and_no_gradient() -> None:
    random = np.random.default_rng(0)
    log_probs, errors = (
        random.normal(-5, 2, [6, 4]),
        random.integers(0, 5, [6, 4]) * 1.0,
    )
    values, gradient = with_gradient(log_probs, errors)
    given = tf.constant(log_probs)
    with tf.GradientTape() as tape:
        tape.watch(given)
        plain = tf.reduce_sum(tf.nn.softmax(given) * errors, axis=1)
    np.testing.assert_allclose(values, plain - errors.mean(1), atol=1e-12)
    np.testing.assert_allclose(gradient, tape.gradient(plain, given), atol=1e-14)
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-14)
    assert np.abs(gradient).max() > 0.1


def test_nothing_to_choose_from_teaches_nothing() -> None:
    for log_probs, errors in (([[-3.0]], [[2.0]]), ([[-3.0, -1.0]], [[2.0, 2.0]])):
        values, gradient = with_gradient(np.array(log_probs), np.array(errors))
        np.testing.assert_allclose(values, 0, atol=1e-15)
        np.testing.assert_allclose(gradient, 0, atol=1e-15)


@pytest.mark.parametrize("absent", [0.0, -np.inf, np.nan])
def test_places_without_an_answer_are_none(absent: float) -> None:
    log_probs, errors = np.array([[-2.0, absent, -1.0, absent]]), [[3.0, 9, 1, 7]]
    valid = np.array([[True, False, True, False]])
    values, gradient = with_gradient(log_probs, np.array(errors), valid)
    two, of_two = with_gradient(np.array([[-2.0, -1.0]]), np.array([[3.0, 1.0]]))
    np.testing.assert_allclose(values, two, atol=1e-15)
    np.testing.assert_allclose(
        gradient, [[of_two[0, 0], 0, of_two[0, 1], 0]], atol=1e-15
    )
    values, gradient = with_gradient(log_probs, np.array(errors), valid & False)
    assert values[0] == 0
    assert not gradient.any()


# All answers of a table of a, b and the end, which is certain after two letters.
SEQUENCES = [(), (0,), (1,), *itertools.product(range(2), repeat=2)]
COST = tf.constant([[2.0, 1.0, 0.0, 3.0, 1.0, 2.0, 4.0]], tf.float64)
LOGITS = np.random.default_rng(4).normal(0, 1, [3, 3])


def log_probs_of_all(logits: tf.Tensor) -> tf.Tensor:
    """float64 [1, 7]; a row of logits for the first unit, and after a and b."""
    logs = tf.nn.log_softmax(logits)
    prices = []
    for letters in SEQUENCES:
        rows = [0, *(letter + 1 for letter in letters)][:2]
        steps = zip(rows, [*letters, 2], strict=False)
        prices.append(tf.add_n([logs[row, unit] for row, unit in steps]))
    return tf.stack(prices)[None]


def exact() -> tuple[np.ndarray, np.ndarray]:
    """The expected cost of all answers, and its gradient."""
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        probs = tf.exp(log_probs_of_all(logits))
        value = tf.reduce_sum(probs * COST)
    assert float(tf.reduce_sum(probs)) == pytest.approx(1, abs=1e-12)
    return float(value), tape.gradient(value, logits).numpy()


def test_the_list_of_all_answers_is_the_expectation() -> None:
    logits = tf.constant(LOGITS)
    everything = tf.ones([1, 7], tf.bool)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_probs = log_probs_of_all(logits)
        value = of_lists(log_probs, COST, everything)
    expected, gradient = exact()
    np.testing.assert_allclose(tape.gradient(value, logits), gradient, atol=1e-9)
    probs, _ = posteriors(log_probs, everything)
    assert float(tf.reduce_sum(probs * COST)) == pytest.approx(expected, abs=1e-12)
    assert np.abs(gradient).max() > 0.05
    # A shorter list is not it.
    best = tf.math.top_k(log_probs, 4).indices
    some, _ = posteriors(tf.gather(log_probs, best, batch_dims=1), everything[:, :4])
    gap = float(tf.reduce_sum(some * tf.gather(COST, best, batch_dims=1))) - expected
    assert 1e-3 < abs(gap) < 1


@pytest.mark.parametrize(
    ("baseline", "unbiased", "share"),
    [
        ("mean", False, 0.5),
        ("mean", True, 1.0),
        ("leave_one_out", False, 1.0),
        ("none", False, 1.0),
    ],
)
def test_drawn_answers_are_expected_to_have_the_gradient(
    baseline, unbiased: bool, share: float
) -> None:
    mean, _ = moments(baseline, unbiased)
    np.testing.assert_allclose(mean, share * exact()[1], atol=1e-9)


def moments(baseline, unbiased: bool = False) -> tuple[np.ndarray, float]:
    """Mean and summed variance of the gradient, over all pairs of drawn answers."""
    pairs = np.array([*itertools.product(range(7), repeat=2)])
    logits = tf.constant(LOGITS)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        log_probs = log_probs_of_all(logits)[0]
        drawn = tf.gather(log_probs, pairs)
        tape.watch(drawn)
        values = of_samples(drawn, tf.gather(COST[0], pairs), baseline, unbiased)
    each = tape.jacobian(log_probs, logits, experimental_use_pfor=False).numpy()
    gradients = np.einsum("nk,nkij->nij", tape.gradient(values, drawn), each[pairs])
    chances = np.exp(drawn.numpy().sum(axis=1))[:, None, None]
    mean = (chances * gradients).sum(axis=0)
    return mean, float((chances * (gradients - mean) ** 2).sum())


def test_what_others_cost_makes_the_gradient_vary_less() -> None:
    assert moments("leave_one_out")[1] < 0.8 * moments("none")[1]


# Texts that one input was heard as: "a b", "a c", "d c".
SHARES = np.array([0.4, 0.3, 0.3])
BETWEEN = np.array([[0.0, 1, 2], [1, 0, 1], [2, 1, 0]])


def total(log_probs: tf.Tensor, weight: float) -> tf.Tensor:
    """Over the three references, with the list of all three."""
    lists = tf.repeat(log_probs[None], 3, axis=0)
    values = of_lists(lists, tf.constant(BETWEEN), tf.ones([3, 3], tf.bool))
    return tf.reduce_sum(SHARES * (values - weight * log_probs))


@pytest.mark.parametrize("weight", [0.01, 0.0])
def test_the_fewest_errors_are_not_the_likeliest_text(weight: float) -> None:
    @tf.function(autograph=False)
    def learned() -> tf.Tensor:
        def body(logits: tf.Tensor) -> tuple[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(logits)
                loss = total(tf.nn.log_softmax(logits), weight)
            return (logits - 20.0 * tape.gradient(loss, logits),)

        start = tf.math.log(tf.constant(SHARES))
        return tf.while_loop(lambda _: True, body, (start,), maximum_iterations=3000)[0]

    probs = tf.nn.softmax(learned()).numpy()
    assert BETWEEN[SHARES.argmax()] @ SHARES == pytest.approx(0.9)
    assert probs.argmax() == 1
    assert BETWEEN[1] @ SHARES == pytest.approx(0.7)
    if weight:
        np.testing.assert_allclose(probs, [0.01970, 0.97286, 0.00744], atol=5e-6)
        assert probs @ BETWEEN @ SHARES == pytest.approx(0.70692, abs=5e-6)
    else:
        assert probs[1] > 0.999


def test_steps_go_to_the_answer_with_the_fewest_errors() -> None:
    logits, expected = tf.constant([[1.0, 0.5, 0.0, -1.0]], tf.float64), []
    for _ in range(50):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            log_probs = tf.nn.log_softmax(logits)
            loss = of_lists(log_probs, tf.constant(ERRORS), tf.constant(ALL))
        expected.append(float(tf.reduce_sum(tf.exp(log_probs) * ERRORS)))
        logits -= 3.0 * tape.gradient(loss, logits)
    assert expected[1] < expected[0]
    assert expected[-1] < ERRORS.min() + 0.02
