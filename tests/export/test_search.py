"""Tests of the host's beam search against that of the graph."""

import numpy as np
import pytest

from export.search import search
from tests.tfmodels.decoding.tables import Tables
from tfmodels.decoding.beam_search import beam_search
from tfmodels.decoding.config import BeamSearchConfig


@pytest.mark.parametrize(
    "values",
    [
        {"beam_width": 1},
        {"beam_width": 4, "n_best": 4},
        {"beam_width": 8, "n_best": 3, "pruning_margin": None},
        {"beam_width": 5, "n_best": 2, "formula": "lingvo", "length_ratio": 0.5},
        {"beam_width": 4, "n_best": 4, "length_penalty": 1.0, "pruning_margin": 1.0},
        {"beam_width": 6, "n_best": 3, "end_margin": 1.0, "token_reward": 0.5},
    ],
)
def test_host_and_graph_find_the_same(values: dict[str, object]):
    tables = Tables(6, vocabulary=7, source=4, seed=11)
    config = BeamSearchConfig.parse(values)
    found = beam_search(
        tables.step, tables.state(), tables.limits(8), 8, config, tables.mask()
    ).hypotheses
    for example in range(tables.batch):
        state = {"before": np.zeros(1, np.int32), "example": np.array([example])}
        mine = search(tables.numpy_step, state, 8, config, np.ones(4, np.float32))
        assert len(mine) == np.count_nonzero(found.lengths[example])
        for rank, hypothesis in enumerate(mine):
            length = int(found.lengths[example, rank])
            ids = found.ids[example, rank, :length]
            assert hypothesis.ids.tolist() == ids.numpy().tolist()
            alignment = found.alignments[example, rank, :length]
            assert hypothesis.alignment.tolist() == alignment.numpy().tolist()
            assert hypothesis.score == pytest.approx(
                float(found.scores[example, rank]), abs=1e-5
            )
            assert hypothesis.log_prob == pytest.approx(
                float(found.log_probs[example, rank]), abs=1e-5
            )
            np.testing.assert_allclose(
                hypothesis.coverage, found.coverage[example, rank], atol=1e-6
            )


def test_without_attention():
    tables = Tables(1, vocabulary=6)
    config = BeamSearchConfig(beam_width=3)
    state = {"before": np.zeros(1, np.int32), "example": np.zeros(1, np.int32)}
    (found,) = search(tables.numpy_step, state, 6, config)
    graph = beam_search(tables.step, tables.state(), tables.limits(6), 6, config)
    ids = graph.hypotheses.ids[0, 0, : len(found.ids)]
    assert found.ids.tolist() == ids.numpy().tolist()
    assert found.alignment.size == found.coverage.size == 0
