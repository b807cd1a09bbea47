"""The objective of sequence training: sums, weights, terms, and what it refuses."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tests.tfmodels.lattices.speech import LEXICON
from tests.tfmodels.lattices.speech import SILENCE_PROB
from tests.tfmodels.lattices.speech import TOPOLOGIES
from tests.tfmodels.lattices.speech import bigram
from tests.trainers.words import words
from tfmodels.errors import ConfigError
from tfmodels.lattices.composition import compose
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.lexicon import Pronounced
from tfmodels.lattices.reference import spoken_words
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.tying import left_biphone
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.objectives.sequence_discriminative.accuracy import Phones
from trainers.objectives.sequence_discriminative.config import (
    SequenceDiscriminativeConfig,
)
from trainers.objectives.sequence_discriminative.configured import ConfiguredCriterion
from trainers.objectives.sequence_discriminative.objective import SequenceDiscriminative

pytestmark = pytest.mark.slow

GRAPH = random_graph(1, 3, 7, 4)
PHONES = Phones(np.array([0, 0, 1, 1]), np.array([False, True]))
LOG_PRIOR = np.log([0.4, 0.3, 0.2, 0.1]).astype(np.float32)
LOGITS = np.random.RandomState(3).randn(4, 4, 4).astype(np.float32)
LENGTHS = np.array([4, 3, 2, 4], np.int32)


def objective(
    graph: Arcs | None = None, log_prior: np.ndarray = LOG_PRIOR, **values: Any
) -> SequenceDiscriminative:
    settings = {"acoustic_scale": 0.7, "denominator": "full", **values}
    hybrid = SimpleNamespace(
        denominator=graph or arcs(GRAPH),
        numerator=None,
        phone_of_pdf=PHONES.of_pdf,
        is_silence=PHONES.is_silence,
    )
    task: Any = SimpleNamespace(hybrid=hybrid, log_prior=log_prior, stored=())
    return SequenceDiscriminative(SequenceDiscriminativeConfig.parse(settings), task)


def make_batch() -> Batch:
    """Four utterances; the last one only fills the batch up."""
    label = np.zeros((4, 4), np.int32)
    for row, length in enumerate(LENGTHS):
        paths = enumerate_paths(GRAPH, LOGITS[row, :length])
        label[row, :length] = GRAPH.pdf[paths.arcs[row]]
    weight = np.arange(4) < LENGTHS[:, None]
    weight[3] = False
    batch = {"label": label, "num_scored": LENGTHS, "weight": weight.astype(np.float32)}
    return {name: tf.constant(value) for name, value in batch.items()}


BATCH = make_batch()


def rows(batch: Batch, part: slice) -> Batch:
    return {name: value[part] for name, value in batch.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {"criterion": "mmi", "smoothing": 0.0},
        {"criterion": "mmi", "denominator": "lattice", "boost": 0.5},
        {"criterion": "smbr", "denominator": "lattice"},
    ],
)
def test_the_loss_is_the_criterion_summed_over_utterances_that_exist(
    settings: dict[str, Any],
) -> None:
    made = objective(**settings)
    configured = ConfiguredCriterion(made.config, PHONES, LOG_PRIOR)
    logits = tf.constant(LOGITS)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        loss = made.loss({"logits": logits}, BATCH)
        values = configured(logits, LENGTHS, BATCH["label"], arcs(GRAPH)).value
        expected = -tf.reduce_sum(values[:3])
    np.testing.assert_allclose(loss.total, expected, rtol=1e-5)
    assert loss.weight == 9
    np.testing.assert_allclose(
        tape.gradient(loss.total, logits),
        tape.gradient(expected, logits),
        atol=1e-6,
    )


def test_two_halves_add_up_to_the_whole() -> None:
    made = objective(criterion="mmi", denominator="lattice")
    whole = made.loss({"logits": tf.constant(LOGITS)}, BATCH)
    halves = [
        made.loss({"logits": tf.constant(LOGITS[part])}, rows(BATCH, part))
        for part in (slice(0, 2), slice(2, 4))
    ]
    summed = tf.nest.map_structure(tf.add, *halves)
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), whole, summed
    )


def test_terms_against_all_paths() -> None:
    made = objective(criterion="mmi", smoothing=0.2)
    loss = made.loss({"logits": tf.constant(LOGITS)}, BATCH)
    scores = 0.7 * (LOGITS - LOG_PRIOR)
    value = right = entropy = 0.0
    for row in range(3):
        length = LENGTHS[row]
        label = BATCH["label"].numpy()[row, :length]
        paths = enumerate_paths(GRAPH, scores[row, :length])
        hits = GRAPH.pdf[paths.arcs] == label
        probs = np.exp(paths.weights - np.logaddexp.reduce(paths.weights))
        said = np.logaddexp.reduce(paths.weights[hits.all(axis=1)])
        value += said - np.logaddexp.reduce(paths.weights)
        right += probs @ hits.sum(axis=1)
        log_probs = tf.nn.log_softmax(LOGITS[row, :length]).numpy()
        entropy -= log_probs[np.arange(length), label].sum()
    terms = {name: (float(a), float(b)) for name, (a, b) in loss.terms.items()}
    assert terms["mmi"] == (pytest.approx(value, rel=1e-4), 9)
    assert terms["expected_accuracy"] == (pytest.approx(right, rel=1e-4), 9)
    assert terms["cross_entropy"] == (pytest.approx(entropy, rel=1e-4), 9)
    assert terms["dropped_frames"] == (0, 9)
    assert terms["impossible_utterances"] == (0, 3)
    assert float(loss.total) == pytest.approx(0.2 * entropy - 0.8 * value, rel=1e-4)


def test_impossible_utterances_are_counted_and_weigh_nothing() -> None:
    label = BATCH["label"].numpy()
    assert 2 not in GRAPH.pdf
    label[1] = 2
    made = objective(criterion="mmi")
    loss = made.loss({"logits": tf.constant(LOGITS)}, {**BATCH, "label": label})
    assert loss.terms["impossible_utterances"] == (1, 3)
    assert loss.weight == 6
    assert np.isfinite(loss.total)


def test_a_head_of_its_own() -> None:
    outputs = {"logits": tf.constant(LOGITS)}
    made = objective(head_weight=0.5)
    with pytest.raises(ConfigError, match="cross_entropy_head: true"):
        made.loss(outputs, BATCH)
    head = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = made.loss({**outputs, "cross_entropy_logits": head}, BATCH)
    gradient = tape.gradient(loss.total, head).numpy()
    probs = tf.nn.softmax(LOGITS).numpy()
    expected = 0.5 * (probs - np.eye(4)[BATCH["label"].numpy()])
    expected *= BATCH["weight"].numpy()[..., None]
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_words_without_an_alignment_give_the_gradient_of_all_that_they_could_be() -> (
    None
):
    hmms = TOPOLOGIES, left_biphone(TOPOLOGIES), Scales()
    num_pdfs = hmms[1].num_pdfs
    model, said = bigram(), np.array([[2, 1], [1, 0]], np.int32)
    loop = arcs(compose(Pronounced(model, LEXICON, SILENCE_PROB), *hmms))
    own = [
        compose(spoken_words(row[row > 0], model, LEXICON, SILENCE_PROB), *hmms)
        for row in said
    ]
    noise = np.random.RandomState(0).randn(2, 11, num_pdfs)
    logits = tf.Variable(noise.astype(np.float32))
    lengths = tf.constant([11, 7])
    weight = tf.sequence_mask(lengths, 11, tf.float32)
    made = objective(loop, np.zeros(num_pdfs, np.float32), criterion="mmi")
    batch = {"words": tf.constant(said), "num_scored": lengths, "weight": weight}
    with tf.GradientTape() as tape:
        loss = made.loss({"logits": logits}, batch)
    gradient = tape.gradient(loss.total, logits).numpy()
    _, right = occupancies(0.7 * logits, lengths, stack(own))
    _, all_ = occupancies(0.7 * logits, lengths, loop)
    # Smoothing is of 0.1; the shares of the states are its targets.
    entropy = right - weight[..., None] * tf.nn.softmax(logits)
    expected = -(0.9 * 0.7 * (right - all_) + 0.1 * entropy)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_what_the_data_cannot_give_is_refused() -> None:
    with pytest.raises(ConfigError, match="no stored lattices"):
        objective(denominator="stored")
    values = json.loads(words().model_dump_json())
    images = {
        "task": {"kind": "image_classification"},
        "model": {"kind": "googlenet", "num_classes": 10},
        "data": {"kind": "digits", "batch_size": 4},
    }
    with pytest.raises(ConfigError, match=r"Expected task\.kind: acoustic_modeling"):
        Experiment.parse({**values, **images})
