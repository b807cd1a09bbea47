"""Graphs: what is refused, and how they are padded."""

from typing import Any

import numpy as np
import pytest

from tests.tfmodels.lattices.enumeration import t3
from tfmodels.errors import DataError
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": [0] * 11}, r"target of shape \(11,\)"),
        ({"target": [4] * 12}, r"target in \[0, 4\)"),
        ({"pdf": [-1] * 12}, "pdf of at least 0"),
        ({"weight": [np.nan] * 12}, "finite numbers in weight"),
        ({"final": [LOG_ZERO] * 4}, "at least one state with a weight in final"),
        ({"final": [0] * 5}, r"final of shape \(4,\)"),
    ],
)
def test_damaged_graphs(values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Graph(**{**arcs(t3())._asdict(), **values})


def test_sizes_and_types() -> None:
    graph = t3()
    assert (graph.num_states, graph.num_arcs) == (4, 12)
    assert graph.source.dtype == np.int32
    assert graph.weight.dtype == np.float32


def test_padding() -> None:
    stacked = stack([t3(), t3()], num_arcs=14, num_states=5)
    for name, value in stacked._asdict().items():
        states = name in ("initial", "final")
        assert value.shape == (2, 5 if states else 14)
        own = getattr(t3(), name)
        np.testing.assert_array_equal(value[1, : len(own)], own)
        fill = LOG_ZERO if states or name == "weight" else 0
        assert (value[:, len(own) :] == np.float32(fill)).all()
    single = stack([t3()])
    assert isinstance(single, Arcs)
    assert single.source.shape == (1, 12)
