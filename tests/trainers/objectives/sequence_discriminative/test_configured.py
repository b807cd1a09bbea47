"""The configured criterion: exact gradients, smoothing, impossible utterances."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.trellis import Labelled
from trainers.objectives.sequence_discriminative.accuracy import Phones
from trainers.objectives.sequence_discriminative.config import (
    SequenceDiscriminativeConfig,
)
from trainers.objectives.sequence_discriminative.configured import ConfiguredCriterion
from trainers.objectives.sequence_discriminative.configured import Result

GRAPH = random_graph(1, 3, 7, 4)
PHONES = Phones(tf.constant([0, 0, 1, 1]), tf.constant([False, True]))
LOG_PRIOR = np.log([0.4, 0.3, 0.2, 0.1])
RANDOM = np.random.RandomState(3)
LOGITS = RANDOM.randn(3, 4, 4)
LENGTHS = np.array([4, 3, 2])


def criterion(**values: Any) -> ConfiguredCriterion:
    settings = {"acoustic_scale": 0.7, "drop_frames": False, **values}
    config = SequenceDiscriminativeConfig.parse(settings)
    return ConfiguredCriterion(config, PHONES, tf.constant(LOG_PRIOR))


def possible_alignment() -> np.ndarray:
    """Outputs of a path of the graph for each utterance, padded with -1."""
    alignment = np.full((3, 4), -1)
    for index, length in enumerate(LENGTHS):
        paths = enumerate_paths(GRAPH, LOGITS[index, :length])
        alignment[index, :length] = GRAPH.pdf[paths.arcs[index]]
    return alignment


ALIGNMENT = possible_alignment()


def with_gradient(
    configured: ConfiguredCriterion, logits: np.ndarray, **options: Any
) -> tuple[Result, np.ndarray]:
    values = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(values)
        options = {"numerator": tf.constant(ALIGNMENT), **options}
        result = configured(values, LENGTHS, graph=arcs(GRAPH), **options)
    return result, tape.gradient(result.value, values).numpy()


VARIANTS = [
    {"criterion": "mmi", "denominator": "full"},
    {"criterion": "mmi", "denominator": "lattice", "boost": 0.5},
    {"criterion": "mmi", "denominator": "full", "leak": 0.1, "prior_scale": 0.0},
    {"criterion": "smbr", "denominator": "full", "output_l2": 0.1},
    {"criterion": "mpfe", "denominator": "lattice", "one_silence_class": False},
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_against_central_differences(variant: dict[str, Any]) -> None:
    configured, step = criterion(**variant), 1e-5
    result, gradient = with_gradient(configured, LOGITS)
    assert result.sequence.is_possible.numpy().all()
    assert not gradient[1, 3:].any()
    assert not gradient[2, 2:].any()
    # All places at once, in one large batch: [ways, places, utterances, frames, pdfs].
    moves = step * np.eye(16).reshape(16, 1, 4, 4) * np.array([1, -1])[:, *[None] * 4]
    moved = (LOGITS + moves).reshape(-1, 4, 4)
    values = configured(
        tf.constant(moved),
        np.tile(LENGTHS, 32),
        tf.constant(np.tile(ALIGNMENT, (32, 1))),
        arcs(GRAPH),
    ).value.numpy()
    up, down = values.reshape(2, 4, 4, 3)
    differences = np.moveaxis((up - down) / (2 * step), -1, 0)
    np.testing.assert_allclose(gradient, differences, atol=1e-8)


@pytest.mark.parametrize("name", ["mmi", "smbr"])
def test_smoothing_goes_from_the_sequence_to_cross_entropy(name: str) -> None:
    pure, half, frames = (
        with_gradient(
            criterion(criterion=name, denominator="full", smoothing=share), LOGITS
        )
        for share in (0.0, 0.5, 1.0)
    )
    active = np.arange(4) < LENGTHS[:, None]
    probs = tf.nn.softmax(LOGITS).numpy()
    expected = np.where(active[..., None], np.eye(4)[ALIGNMENT] - probs, 0)
    np.testing.assert_allclose(frames[1], expected, atol=1e-12)
    scaled = 0.7 * pure[0].sequence.derivative.numpy()
    np.testing.assert_allclose(pure[1], scaled, atol=1e-12)
    np.testing.assert_allclose(half[1], (pure[1] + frames[1]) / 2, atol=1e-12)


def test_an_impossible_utterance_is_left_out() -> None:
    alignment = ALIGNMENT.copy()
    assert 2 not in GRAPH.pdf
    alignment[0] = 2
    for name in ("mmi", "smbr"):
        configured = criterion(criterion=name, denominator="lattice")
        result, gradient = with_gradient(
            configured, LOGITS, numerator=tf.constant(alignment)
        )
        assert result.sequence.is_possible.numpy().tolist() == [False, True, True]
        assert float(result.value[0]) == 0
        assert not gradient[0].any()
        expected, expected_gradient = with_gradient(configured, LOGITS)
        np.testing.assert_allclose(result.value[1:], expected.value[1:], rtol=1e-12)
        np.testing.assert_allclose(gradient[1:], expected_gradient[1:], rtol=1e-12)


def test_padding_that_is_not_a_number() -> None:
    logits = LOGITS.copy()
    logits[1, 3:] = logits[2, 2:] = np.nan
    configured = criterion(output_l2=0.1)
    values = with_gradient(configured, logits)
    expected = with_gradient(configured, LOGITS)
    np.testing.assert_array_equal(values[0].value, expected[0].value)
    np.testing.assert_array_equal(values[1], expected[1])


def test_numerator_graphs_and_a_head() -> None:
    numerator = stack([random_graph(seed, 3, 5, 4) for seed in (1, 2, 3)])
    configured = criterion(criterion="mmi", denominator="full", head_weight=0.1)
    head = tf.constant(LOGITS[::-1].copy())
    plain, _ = with_gradient(configured, LOGITS, numerator=numerator)
    with tf.GradientTape() as tape:
        tape.watch(head)
        result = configured(
            tf.constant(LOGITS), LENGTHS, numerator, arcs(GRAPH), head_logits=head
        )
    gamma = plain.sequence.derivative.numpy()
    assert np.isfinite(gamma).all()
    possible = plain.sequence.is_possible.numpy()
    assert possible.any()
    assert (result.value.numpy() < plain.value.numpy())[possible].all()
    gradient = tape.gradient(result.value, head).numpy()
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-12)
    assert not gradient[~possible].any()


def test_compiled_in_float32() -> None:
    configured = criterion(criterion="mmi", denominator="lattice", boost=0.2)

    @tf.function(jit_compile=True)
    def compiled(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            result = configured(logits, LENGTHS, tf.constant(ALIGNMENT), arcs(GRAPH))
        return result.value, tape.gradient(result.value, logits)

    value, gradient = compiled(tf.constant(LOGITS, tf.float32))
    expected, expected_gradient = with_gradient(configured, LOGITS)
    np.testing.assert_allclose(value, expected.value, atol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-5)


def test_mpe_takes_the_accuracy_of_arcs() -> None:
    configured = criterion(criterion="mpe", denominator="stored", smoothing=0.0)
    with pytest.raises(DataError, match=r"objective\.criterion: mpe"):
        with_gradient(configured, LOGITS)
    states = np.eye(4)[np.maximum(ALIGNMENT, 0)][..., GRAPH.pdf]
    values = Labelled(tf.constant(states))
    result, gradient = with_gradient(configured, LOGITS, accuracy=values)
    no_silence = PHONES._replace(is_silence=tf.constant([False, False]))
    smbr = ConfiguredCriterion(
        configured.config.model_copy(update={"criterion": "smbr"}),
        no_silence,
        tf.constant(LOG_PRIOR),
    )
    expected, expected_gradient = with_gradient(smbr, LOGITS)
    np.testing.assert_allclose(result.value, expected.value, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"criterion": "smbr", "boost": 0.1}, "boost belongs to the criterion mmi"),
        ({"criterion": "mmi", "leak": 0.1}, "only the sum over the whole graph leaks"),
        ({"criterion": "mpe"}, "denominator: stored"),
        (
            {"criterion": "mmi", "denominator": "full", "leak": 0.1, "boost": 0.1},
            "cannot be boosted",
        ),
    ],
)
def test_parts_that_do_not_fit(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SequenceDiscriminativeConfig.parse(values)
