"""Tests of the beam search against all sequences that there are."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.decoding.tables import Tables
from tfmodels.decoding.beam_search import Found
from tfmodels.decoding.beam_search import beam_search
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.step import END
from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import StepOutput

LENGTH = 4
PENALTIES = [(0.0, 0.0), (0.2, 0.2), (1.0, 0.0), (0.0, 1.0), (2.0, 0.5)]


def settings(**values: Any) -> BeamSearchConfig:
    return BeamSearchConfig.parse({"pruning_margin": None, **values})


def find(tables: Tables, config: BeamSearchConfig, length: int = LENGTH) -> Found:
    return beam_search(
        tables.step,
        tables.state(),
        tables.limits(length),
        length,
        config,
        tables.mask(),
    )


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(6)


@pytest.mark.parametrize(("alpha", "beta"), PENALTIES)
def test_wide_beam_is_brute_force(tables: Tables, alpha: float, beta: float):
    config = settings(
        beam_width=64, n_best=10, length_penalty=alpha, coverage_penalty=beta
    )
    found = find(tables, config).hypotheses
    for example in range(tables.batch):
        ranked = tables.ranked(example, LENGTH, config)[:10]
        for rank, (score, ids) in enumerate(ranked):
            length = int(found.lengths[example, rank])
            assert found.ids[example, rank, :length].numpy().tolist() == ids
            assert not found.ids[example, rank, length:].numpy().any()
            assert float(found.scores[example, rank]) == pytest.approx(score, abs=1e-5)
            log_prob, coverage = tables.follow(example, ids)
            assert float(found.log_probs[example, rank]) == pytest.approx(
                log_prob, abs=1e-5
            )
            np.testing.assert_allclose(
                found.coverage[example, rank], coverage, atol=1e-6
            )


def greedy(tables: Tables, example: int, length: int) -> list[int]:
    before, token, ids = 0, 1, []
    while token != END:
        best = int(tables.log_probs[example, before, token].argmax())
        before, token = token, best if len(ids) + 1 < length else END
        ids.append(token)
    return ids


@pytest.mark.parametrize("margin", [None, 3.0])
def test_width_1_is_greedy(margin: float | None):
    tables = Tables(20, vocabulary=7, seed=3)
    found = find(tables, settings(beam_width=1, pruning_margin=margin), 9)
    lengths = found.hypotheses.lengths[:, 0].numpy()
    assert len(set(lengths.tolist())) > 3
    for example in range(tables.batch):
        ids = found.hypotheses.ids[example, 0, : lengths[example]].numpy().tolist()
        assert ids == greedy(tables, example, 9)


def test_alignments_are_those_of_the_sequence(tables: Tables):
    found = find(tables, settings(beam_width=3, n_best=3)).hypotheses
    for example in range(tables.batch):
        for rank in range(3):
            length = int(found.lengths[example, rank])
            ids = found.ids[example, rank, :length].numpy().tolist()
            history = [0, 1, *ids]
            expected = [
                int(tables.attention[example, history[i], history[i + 1]].argmax())
                for i in range(length)
            ]
            alignment = found.alignments[example, rank].numpy().tolist()
            assert alignment == expected + [-1] * (LENGTH - length)


def test_examples_do_not_see_one_another():
    tables = Tables(5, vocabulary=9, seed=5)
    config = BeamSearchConfig(beam_width=4, n_best=3)
    limits = tf.constant([3, 12, 1, 7, 9])
    together = beam_search(
        tables.step, tables.state(), limits, 12, config, tables.mask()
    )
    for example in range(tables.batch):
        one = tables.of(example)
        alone = beam_search(
            one.step, one.state(), limits[example : example + 1], 12, config, one.mask()
        )
        for name, value in alone.hypotheses._asdict().items():
            mate = getattr(together.hypotheses, name)[example : example + 1]
            assert np.array_equal(mate, value), name
        assert int(together.expanded[example]) == int(alone.expanded[0])
    assert together.hypotheses.lengths[2].numpy().tolist() == [1, 0, 0]


@pytest.mark.parametrize(("alpha", "beta"), PENALTIES)
def test_pruning_expands_fewer_and_a_large_margin_changes_nothing(
    alpha: float, beta: float
):
    tables = Tables(8, vocabulary=9, seed=7)
    values = {"beam_width": 6, "length_penalty": alpha, "coverage_penalty": beta}
    free = find(tables, settings(**values), 12)
    wide = find(tables, settings(**values, pruning_margin=1000.0), 12)
    pruned = find(tables, settings(**values, pruning_margin=3.0), 12)
    assert np.array_equal(free.hypotheses.ids, wide.hypotheses.ids)
    assert np.array_equal(free.hypotheses.scores, wide.hypotheses.scores)
    assert int(tf.reduce_sum(pruned.expanded)) < int(tf.reduce_sum(free.expanded))


def test_what_is_far_below_the_best_is_dropped(tables: Tables):
    narrow = find(tables, settings(beam_width=8, n_best=8, pruning_margin=0.5))
    scores, lengths = narrow.hypotheses.scores.numpy(), narrow.hypotheses.lengths
    present = lengths.numpy() > 0
    assert 0 < present[:, 1:].sum() < present[:, 1:].size
    assert (scores >= scores[:, :1] - 0.5)[present].all()
    assert (scores[~present] == np.float32(LOG_ZERO)).all()


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_stopping_early_loses_nothing(alpha: float):
    # Long sequences win here, after short ones have ended.
    tables = Tables(20, seed=9)
    config = settings(beam_width=81, length_penalty=alpha, coverage_penalty=0.0)
    found = find(tables, config, 5)
    best = [tables.ranked(example, 5, config)[0][0] for example in range(20)]
    np.testing.assert_allclose(found.hypotheses.scores[:, 0], best, atol=1e-5)
    full = 1 + 3 + 9 + 27 + 81
    assert int(tf.reduce_min(found.expanded)) < full


def test_xla_finds_the_same(tables: Tables):
    config = BeamSearchConfig(beam_width=3, n_best=2)
    compiled = tf.function(
        lambda: find(tables, config), jit_compile=True, autograph=False
    )()
    for mine, theirs in zip(
        find(tables, config).hypotheses, compiled.hypotheses, strict=True
    ):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_shapes_that_are_not_known_before():
    tables = Tables(3)
    config = BeamSearchConfig(beam_width=3, n_best=2)

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None], tf.float32),
        ],
    )
    def run(examples: tf.Tensor, mask: tf.Tensor) -> Found:
        state = {"before": tf.zeros_like(examples), "example": examples}
        longest = tf.shape(mask)[1] + 1
        limits = tf.fill(tf.shape(examples), longest)
        return beam_search(tables.step, state, limits, longest, config, mask)

    found = run(tf.range(3), tables.mask()).hypotheses
    assert np.array_equal(found.ids, find(tables, config).hypotheses.ids)


def test_a_model_without_attention(tables: Tables):
    def step(tokens: tf.Tensor, state: Any) -> StepOutput:
        output = tables.step(tokens, state)
        return output._replace(attention=output.attention[:, :0])

    config = settings(beam_width=5, coverage_penalty=0.0)
    found = beam_search(step, tables.state(), tables.limits(4), 4, config).hypotheses
    assert np.array_equal(found.ids, find(tables, config).hypotheses.ids)
    assert found.coverage.shape == [6, 1, 0]
    assert (found.alignments.numpy() == -1).all()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_tokens_that_are_rewarded_make_long_sequences(
    tables: Tables, alpha: float
) -> None:
    values = {"beam_width": 64, "length_penalty": alpha, "coverage_penalty": 0.0}
    found = find(tables, settings(**values, n_best=3, token_reward=0.8)).hypotheses
    free = find(tables, settings(**values)).hypotheses
    more = tf.reduce_sum(found.lengths[:, 0]) - tf.reduce_sum(free.lengths)
    assert int(more) >= (0 if alpha else 1)
    for example in range(tables.batch):
        scored = sorted(
            (
                (log_prob + 0.8 * len(ids)) / ((5 + len(ids)) / 6) ** alpha
                for log_prob, ids in tables.ranked(
                    example, LENGTH, settings(length_penalty=0.0, coverage_penalty=0.0)
                )
            ),
            reverse=True,
        )
        np.testing.assert_allclose(found.scores[example], scored[:3], atol=1e-5)


def test_a_sequence_ends_only_where_its_end_is_likely_enough() -> None:
    tables, length = Tables(6, vocabulary=5, seed=8), 5

    def lowest(example: int, ids: list[int]) -> float:
        """How far below the best token ends are that come before the limit."""
        if len(ids) == length:
            return 0.0
        prices = tables.log_probs[example, [0, 1, *ids][-3], [1, *ids][-2]]
        return float(prices.max() - prices[END])

    values = {"beam_width": 256, "n_best": 4, "coverage_penalty": 0.0}
    found = find(tables, settings(**values, end_margin=0.5), length).hypotheses
    changed = False
    for example in range(tables.batch):
        ranked = tables.ranked(example, length, settings(coverage_penalty=0.0))
        kept = [ids for _, ids in ranked if lowest(example, ids) <= 0.5][:4]
        rows = zip(found.ids[example].numpy(), found.lengths[example], strict=True)
        assert [row[: int(n)].tolist() for row, n in rows] == kept
        changed |= kept != [ids for _, ids in ranked[:4]]
    assert changed
