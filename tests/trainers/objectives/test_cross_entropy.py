"""Loss identities, values computed by hand, and the losses of Keras."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.toy import ToyTask
from tfmodels.errors import ConfigError
from trainers.objectives.config import CrossEntropyConfig
from trainers.objectives.cross_entropy import CrossEntropy

HEADS = {"aux1_logits": 0.3, "aux2_logits": 0.3}


def objective(
    smoothing: float = 0.0, heads: dict[str, float] | None = None
) -> CrossEntropy:
    settings = {"label_smoothing": smoothing, "auxiliary_weights": heads or {}}
    return CrossEntropy(CrossEntropyConfig.parse(settings), ToyTask())


def batch_of(labels: list, weights: list | None = None) -> dict[str, tf.Tensor]:
    label = tf.constant(labels, tf.int32)
    weight = tf.ones(label.shape) if weights is None else tf.constant(weights)
    return {"label": label, "weight": weight}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("classes", "expected"), [(1000, 11.0524), (10, 3.6841)])
def test_equal_logits_cost_1_6_times_the_log_of_the_classes(
    classes: int, expected: float, smoothing: float
) -> None:
    names = ["logits", *HEADS]
    outputs = {name: tf.zeros([2, classes]) for name in names}
    loss = objective(smoothing, HEADS).loss(outputs, batch_of([0, 7]))
    assert float(loss.total / loss.weight) == pytest.approx(expected, abs=5e-5)
    assert float(loss.total / loss.weight) == pytest.approx(1.6 * math.log(classes))


@pytest.mark.parametrize(
    ("smoothing", "expected"), [(0.0, 0.7966138), (0.1, 0.9766138)]
)
def test_label_smoothing_by_hand(smoothing: float, expected: float) -> None:
    outputs = {"logits": tf.constant([[2.0] + [0.0] * 9])}
    loss = objective(smoothing).loss(outputs, batch_of([0]))
    assert float(loss.total) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("classes", "smoothing", "other", "label", "entropy"),
    # Of five, 0.1 for each wrong one together: 0.1 times 5/4 spread over all.
    [(1000, 0.1, 1e-4, 0.9001, 1.014848), (5, 0.125, 0.025, 0.9, 0.463712)],
)
def test_least_smoothed_loss_is_the_entropy_of_the_target(
    classes: int, smoothing: float, other: float, label: float, entropy: float
) -> None:
    target = np.full(classes, other)
    target[3] = label
    logits = tf.Variable(np.log(target)[None], dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = objective(smoothing).loss({"logits": logits}, batch_of([3]))
    assert float(loss.total) == pytest.approx(entropy, abs=1e-6)
    np.testing.assert_allclose(tape.gradient(loss.total, logits), 0.0, atol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (2, 3)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_equals_keras_on_one_hot_targets(
    shape: tuple[int, ...], smoothing: float
) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(*shape, 4)).astype(np.float32) * 3
    labels = rng.integers(0, 4, shape)
    weights = rng.uniform(size=shape).astype(np.float32)
    expected = keras.losses.categorical_crossentropy(
        np.eye(4, dtype=np.float32)[labels], logits, True, smoothing
    )
    loss = objective(smoothing).loss(
        {"logits": tf.constant(logits)}, batch_of(labels.tolist(), weights.tolist())
    )
    np.testing.assert_allclose(loss.total, np.sum(weights * expected), rtol=1e-5)
    np.testing.assert_allclose(loss.weight, weights.sum(), rtol=1e-6)


def test_rows_of_weight_0_change_nothing_and_batches_add_up() -> None:
    logits = tf.random.stateless_normal([4, 3], seed=[1, 2])
    labels = [0, 1, 2, 2]
    padded = objective().loss(
        {"logits": logits}, batch_of(labels, [1.0, 1.0, 1.0, 0.0])
    )
    first = objective().loss({"logits": logits[:1]}, batch_of(labels[:1]))
    rest = objective().loss({"logits": logits[1:3]}, batch_of(labels[1:3]))
    assert float(padded.weight) == 3.0
    np.testing.assert_allclose(padded.total, first.total + rest.total, rtol=1e-6)


def test_terms_are_unweighted_and_named_after_their_heads() -> None:
    outputs = {
        "logits": tf.constant([[1.0, 0.0]]),
        "aux1_logits": tf.constant([[0.0, 2.0]]),
        "aux2_logits": tf.constant([[3.0, 0.0]]),
    }
    loss = objective(0.0, {"aux1_logits": 0.3, "aux2_logits": 0.0}).loss(
        outputs, batch_of([0])
    )
    main, head = math.log1p(math.exp(-1)), math.log1p(math.exp(2))
    assert set(loss.terms) == {
        "cross_entropy",
        "aux1_cross_entropy",
        "aux2_cross_entropy",
    }
    assert float(loss.terms["cross_entropy"][0]) == pytest.approx(main)
    assert float(loss.terms["aux1_cross_entropy"][0]) == pytest.approx(head)
    assert float(loss.total) == pytest.approx(main + 0.3 * head)


def test_a_head_may_have_labels_of_its_own() -> None:
    """Two tokens of which one counts; the head has other classes and another label."""
    logits = {"logits": [[[1.0, 0.0], [0.0, 3.0]]], "x_logits": [[[0.0] * 3] * 2]}
    logits["x_logits"][0][0] = [0.0, 0.0, 2.0]
    outputs = {name: tf.constant(values) for name, values in logits.items()}
    batch = batch_of([[0, 1]], [[1.0, 0.0]])
    batch["x_label"] = tf.constant([[2, 0]])
    loss = objective(0.0, {"x_logits": 0.1}).loss(outputs, batch)
    main, head = math.log1p(math.exp(-1)), math.log1p(2 * math.exp(-2))
    assert float(loss.total) == pytest.approx(main + 0.1 * head)


def test_a_head_of_weight_0_gets_no_gradient() -> None:
    head = tf.Variable([[0.0, 2.0]])
    outputs = {"logits": tf.constant([[1.0, 0.0]])}
    with tf.GradientTape() as tape:
        loss = objective(0.1, {"aux_logits": 0.0}).loss(
            outputs | {"aux_logits": tf.convert_to_tensor(head)}, batch_of([0])
        )
    np.testing.assert_array_equal(tape.gradient(loss.total, head), [[0.0, 0.0]])


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_low_precision_logits_give_a_float32_loss(dtype: tf.DType) -> None:
    logits = tf.constant([[1.0, -0.5, 8.0]])
    expected = objective(0.1).loss({"logits": logits}, batch_of([1]))
    loss = objective(0.1).loss({"logits": tf.cast(logits, dtype)}, batch_of([1]))
    assert loss.total.dtype == tf.float32
    np.testing.assert_allclose(loss.total, expected.total, rtol=1e-6)


def test_a_head_that_the_model_lacks_is_named_with_the_outputs_it_has() -> None:
    outputs = {"logits": tf.zeros([1, 2]), "aux_logits": tf.zeros([1, 2])}
    with pytest.raises(ConfigError, match=r"'aux1_logits'.*'aux_logits', 'logits'"):
        objective(0.0, HEADS).loss(outputs, batch_of([0]))
