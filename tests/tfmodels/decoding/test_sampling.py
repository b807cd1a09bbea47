"""Tests of ancestral sampling against the probabilities of all sequences."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.decoding.tables import Tables
from tfmodels.decoding.sampling import Samples
from tfmodels.decoding.sampling import sample
from tfmodels.decoding.step import END

LENGTH = 3


def draw(tables: Tables, count: int, seed: int = 0, **options: float) -> Samples:
    seeds = tf.constant([[seed, example] for example in range(tables.batch)])
    return sample(
        tables.step,
        tables.state(),
        seeds,
        tables.limits(LENGTH),
        LENGTH,
        count,
        **options,
    )


def outcomes(vocabulary: int) -> list[list[int]]:
    """All that can be drawn: sequences that end, and those cut at the limit."""
    others = [token for token in range(vocabulary) if token != END]
    ended = [
        [*start, END]
        for n in range(LENGTH)
        for start in itertools.product(others, repeat=n)
    ]
    return ended + [list(cut) for cut in itertools.product(others, repeat=LENGTH)]


def test_sequences_are_as_frequent_as_they_are_probable():
    tables, count = Tables(2, seed=1), 20_000
    samples = draw(tables, count)
    for example in range(2):
        lengths = samples.lengths[example].numpy()
        drawn: dict[tuple[int, ...], int] = {}
        for row, length in zip(samples.ids[example].numpy(), lengths, strict=True):
            key = tuple(row[:length].tolist())
            drawn[key] = drawn.get(key, 0) + 1
        total = 0.0
        for ids in outcomes(4):
            share = math.exp(tables.follow(example, ids)[0])
            total += share
            deviation = math.sqrt(share * (1 - share) / count)
            assert abs(drawn.pop(tuple(ids), 0) / count - share) < 5 * deviation + 1e-4
        assert total == pytest.approx(1, abs=1e-5)
        assert not drawn


@pytest.mark.parametrize("compiled", [False, True])
def test_log_probs_are_those_of_the_model(compiled: bool):
    tables = Tables(3, seed=2)
    run = tf.function(
        lambda: draw(tables, 5, temperature=2.0), jit_compile=compiled, autograph=False
    )
    samples = run()
    for example, row in itertools.product(range(3), range(5)):
        length = int(samples.lengths[example, row])
        ids = samples.ids[example, row, :length].numpy().tolist()
        assert (ids[-1] == END) or length == LENGTH
        assert END not in ids[:-1]
        expected, _ = tables.follow(example, ids)
        actual = samples.log_probs[example, row]
        assert float(tf.reduce_sum(actual)) == pytest.approx(expected, abs=1e-5)
        assert not actual[length:].numpy().any()


def test_seeds_decide_and_neighbours_do_not():
    tables = Tables(4, vocabulary=9, seed=3)
    samples, other = draw(tables, 3), draw(tables, 3, seed=1)
    assert np.array_equal(samples.ids, draw(tables, 3).ids)
    assert not np.array_equal(samples.ids, other.ids)
    one = tables.of(2)
    alone = sample(
        one.step, one.state(), tf.constant([[0, 2]]), one.limits(LENGTH), LENGTH, 3
    )
    assert np.array_equal(alone.ids[0], samples.ids[2])


def test_top_k_and_a_low_temperature_draw_the_likeliest():
    tables = Tables(4, vocabulary=9, seed=4)
    one = draw(tables, 2, top_k=1)
    assert np.array_equal(one.ids, draw(tables, 2, temperature=1e-4).ids)
    likely = draw(tables, 200, top_k=2).ids[:, :, 0]
    for example in range(4):
        best = np.argsort(-tables.log_probs[example, 0, 1])[:2]
        assert set(likely[example].numpy().tolist()) == set(best.tolist())
