"""Language models, units and beliefs of varieties in a search, by trying everything."""

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.decoding.tables import Tables
from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.beam_search import beam_search
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.step import END
from tfmodels.decoding.step import StepOutput
from tfmodels.decoding.translation import Around
from tfmodels.decoding.varieties import LanguageModels
from tfmodels.decoding.varieties import believed
from tfmodels.decoding.varieties import decided
from tfmodels.decoding.varieties import expecting
from tfmodels.decoding.varieties import fusing
from tfmodels.decoding.varieties import keeping
from tfmodels.decoding.varieties import posterior_of_steps
from tfmodels.decoding.varieties import together

LENGTH, WEIGHT = 4, 0.7
SETTINGS = {"length_penalty": 0.0, "coverage_penalty": 0.0, "pruning_margin": None}


class LanguageTable:
    """A language model that is a table of the two tokens before."""

    def __init__(self, seed: int, vocabulary: int = 4) -> None:
        self.table = Tables(1, vocabulary, source=1, seed=seed)

    def initial_state(self, num_rows: Any) -> dict[str, tf.Tensor]:
        zeros = tf.zeros([num_rows], tf.int32)
        return {"before": zeros, "example": zeros}

    def step(self, tokens: tf.Tensor, state: Any) -> StepOutput:
        return self.table.step(tokens, state)


MODELS = LanguageModels((LanguageTable(21), LanguageTable(22)), (1, 0, 1))


def find(tables: Tables, around: Around, width: int = 64, **values: Any) -> Hypotheses:
    config = BeamSearchConfig.parse({**SETTINGS, "beam_width": width, **values})
    step, state = around(tables.step, tables.state(), width)
    return beam_search(
        step, state, tables.limits(LENGTH), LENGTH, config, tables.mask()
    ).hypotheses


def steps_of(ids: tuple[int, ...]) -> list[tuple[int, int, int]]:
    history = [0, 1, *ids]
    return [*zip(history, history[1:], history[2:], strict=False)]


def sequences(vocabulary: int = 4) -> list[tuple[int, ...]]:
    others = [token for token in range(vocabulary) if token != END]
    return [
        (*start, END)
        for inner in range(LENGTH)
        for start in itertools.product(others, repeat=inner)
    ]


def test_each_variety_has_its_language_model_and_a_soft_one_their_mixture() -> None:
    tables = Tables(4, seed=11)
    variety = np.eye(3)[[0, 1, 2, 0]].astype(np.float32)
    variety[3] = [0.2, 0.7, 0.1]
    found = find(tables, fusing(MODELS, WEIGHT, tf.constant(variety)), n_best=5)
    language = [model.table.log_probs[0] for model in MODELS.models]
    winners = set()
    for example in range(4):
        shares = np.array([variety[example, 1], variety[example, [0, 2]].sum()])
        scored = []
        for ids in sequences():
            prices = [
                np.log(shares @ np.exp([one[place] for one in language]))
                for place in steps_of(ids)
            ]
            log_prob, _ = tables.follow(example, [*ids])
            scored.append((log_prob + WEIGHT * sum(prices), ids, sum(prices)))
        best = sorted(scored, reverse=True)[:5]
        for rank, (score, ids, _) in enumerate(best):
            length = int(found.lengths[example, rank])
            assert tuple(found.ids[example, rank, :length].numpy()) == ids
            assert float(found.scores[example, rank]) == pytest.approx(score, abs=1e-4)
        winners.add(best[0][1])
        told = MODELS.log_probs(tf.constant(variety), found.ids, found.lengths)
        expected = [price for _, _, price in best]
        np.testing.assert_allclose(told[example], expected, atol=1e-4)
    assert len(winners) > 1


def test_models_that_disagree_choose_the_winner() -> None:
    # Section 8.11 of the specification, but for the variety.
    class Constant:
        def __init__(self, *probs: float) -> None:
            self.log_probs = tf.math.log([[*probs]])

        def initial_state(self, num_rows: Any) -> tf.Tensor:
            return tf.zeros([num_rows, 1])

        def step(self, tokens: tf.Tensor, state: Any) -> StepOutput:
            rows = tf.shape(tokens)[0]
            log_probs = tf.repeat(self.log_probs, rows, axis=0)
            return StepOutput(log_probs, state, tf.zeros([rows, 0]))

    acoustic = Constant(0.5, 0.3, 0.2)
    models = LanguageModels((Constant(0.1, 0.8, 0.1), Constant(0.1, 0.1, 0.8)), (0, 1))

    def fused_by(weight: float, variety: list[float]) -> np.ndarray:
        around = fusing(models, weight, tf.constant([variety]))
        step, state = around(acoustic.step, acoustic.initial_state(1), 1)
        return step(tf.constant([1]), state).log_probs[0].numpy()

    assert fused_by(0.0, [1.0, 0.0]).argmax() == 0
    assert fused_by(0.3, [1.0, 0.0]).argmax() == 1
    assert fused_by(0.3, [1.0, 0.0]).max() == pytest.approx(-1.2709, abs=1e-4)
    assert fused_by(1.0, [0.0, 1.0]).argmax() == 2
    mixed = fused_by(1.0, [0.5, 0.5])
    np.testing.assert_allclose(mixed, np.log([0.05, 0.3 * 0.45, 0.2 * 0.45]), atol=1e-6)


def test_a_uniform_language_model_leaves_answers_of_one_length_in_order() -> None:
    tables, flat = Tables(3, seed=12), LanguageTable(0)
    flat.table.log_probs = np.full_like(flat.table.log_probs, np.log(0.25))
    around = fusing(LanguageModels((flat,), (0,)), 0.4, tf.ones([3, 1]))
    ranked = [
        [tuple(row[:n]) for row, n in zip(*each, strict=True) if n == LENGTH]
        for found in (
            find(tables, around, n_best=40),
            find(tables, together(), n_best=40),
        )
        for each in [(found.ids[0].numpy().tolist(), found.lengths[0].numpy())]
    ]
    assert ranked[0] == ranked[1]
    assert len(ranked[0]) > 10


def test_only_units_of_the_allowed_varieties_occur() -> None:
    # An untrained model of 9 units: 3 and 4 are symbols, 5 and 6 or 7 and 8 letters.
    tables = Tables(3, vocabulary=9, seed=13)
    units = np.zeros([2, 9], bool)
    units[0, [3, 5, 6]] = units[1, [4, 7, 8]] = True
    allowed = tf.constant([[True, False], [False, True], [True, True]])
    found = find(tables, keeping(tf.constant(units), allowed), width=8, n_best=8)
    free = find(tables, together(), width=8, n_best=8)
    assert np.isin(free.ids[0], [4, 7, 8]).any()
    assert (found.lengths.numpy() > 0).all()
    assert set(np.unique(found.ids[0])) == {0, END, 3, 5, 6}
    assert set(np.unique(found.ids[1])) == {0, END, 4, 7, 8}
    assert len(set(np.unique(found.ids[2])) & {3, 4, 5, 6, 7, 8}) > 3
    nothing = find(tables, keeping(tf.constant(units), allowed & False), width=8)
    assert nothing.ids[:, 0].numpy().tolist() == [[END, 0, 0, 0]] * 3
    # What is allowed keeps its price.
    ids = found.ids[0, 0, : int(found.lengths[0, 0])].numpy().tolist()
    expected, _ = tables.follow(0, ids)
    assert float(found.log_probs[0, 0]) == pytest.approx(expected, abs=1e-4)


def test_beliefs_are_added_to_symbols_alone() -> None:
    tables = Tables(2, vocabulary=6, seed=14)
    prior = tf.constant([[0.9, 0.1], [0.0, 1.0]])
    step, state = expecting(prior, [3, 4], 6)(tables.step, tables.state(), 1)
    start = tf.ones([2], tf.int32)
    bias = step(start, state).log_probs - tables.step(start, state).log_probs
    expected = [[0, 0, 0, np.log(0.9), np.log(0.1), 0], [0, 0, 0, -1e9, 0, 0]]
    np.testing.assert_allclose(bias, expected, atol=1e-5)
    found = find(tables, expecting(prior, [3, 4], 6), width=8, n_best=8)
    assert not (found.ids[1].numpy() == 3).any()


def test_what_is_believed_and_what_is_decided() -> None:
    posterior = tf.constant([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25]])
    prior = tf.constant([0.2, 0.8, 0.0])
    found = believed(posterior, prior)
    np.testing.assert_allclose(found[0], [1 / 3, 2 / 3, 0], atol=1e-6)
    assert found[0, 2] == 0
    assert decided(posterior).numpy().tolist() == [[1, 0, 0], [np.float32(1 / 3)] * 3]
    assert decided(found, 0.7).numpy().tolist() == [[0.5, 0.5, 0], [0, 1, 0]]


def test_steps_together_say_the_variety() -> None:
    """Softmax of mean logs; nothing comes from steps after the end."""
    probs = np.array([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]] * 3, np.float32)
    found = posterior_of_steps(tf.constant(5 + np.log(probs)), tf.constant([2, 1, 0]))
    odds = np.sqrt(0.9 * 0.2 / (0.1 * 0.8))
    expected = [[odds / (1 + odds), 1 / (1 + odds)], [0.9, 0.1], [0.5, 0.5]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
