"""Graphs as OpenFst text and back."""

import numpy as np
import pytest

from tests.tfmodels.lattices.speech import LEXICON
from tests.tfmodels.lattices.speech import TOPOLOGIES
from tests.tfmodels.lattices.speech import bigram
from tests.tfmodels.lattices.speech import paths
from tests.tfmodels.lattices.speech import rounded
from tfmodels.errors import DataError
from tfmodels.lattices.chain import chain_denominator
from tfmodels.lattices.composition import compose
from tfmodels.lattices.lexicon import Pronounced
from tfmodels.lattices.tying import monophone
from trainers.data.kaldi.automata import read_graph
from trainers.data.kaldi.automata import write_graph

TYING = monophone(TOPOLOGIES)
OWNERS = TYING.phone_of_pdf()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "graph.txt"


@pytest.fixture(scope="module")
def graph():
    return compose(Pronounced(bigram(), LEXICON, 0.3), TOPOLOGIES, TYING)


def test_round_trip_is_exact(file, graph):
    write_graph(file, graph)
    again = read_graph(file, OWNERS)
    for name in ("source", "target", "pdf", "weight", "final", "phone", "word"):
        np.testing.assert_array_equal(getattr(again, name), getattr(graph, name))
    np.testing.assert_array_equal(again.initial, graph.initial)


def test_several_starts_become_one(file, graph):
    many = chain_denominator(graph)
    write_graph(file, many)
    again = read_graph(file, OWNERS)
    assert (again.initial == 0).sum() == 1
    for num_frames in (1, 3):
        found, wanted = paths(again, num_frames), paths(many, num_frames)
        assert [path[:2] for path in rounded(found)] == [
            path[:2] for path in rounded(wanted)
        ]
        np.testing.assert_allclose(
            sorted(weight for *_, weight in found),
            sorted(weight for *_, weight in wanted),
            rtol=1e-5,
        )


def test_text_of_openfst(file):
    # Costs may be missing; the source of the first arc is the start.
    file.write_text("1 0 2 7 0.5\n0 0 1 0\n0 2 3 0 -0.25\n0 1.5\n2\n")
    graph = read_graph(file, np.array([1, 1, 2]))
    assert rounded(paths(graph, 2)) == [
        ((1, 0), ((0, 7),), -2.0),
        ((1, 2), ((0, 7),), -0.25),
    ]
    assert graph.phone.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 1 0\n1 x\n", "line 2.*numbers"),
        ("0 1 1 0\n0 1 1\n1\n", "line 2"),
        ("0 1 1 0 1 1\n1\n", "line 1"),
        ("0 1 0 0\n1\n", "line 1.*from 1 to 3"),
        ("0 1 4 0\n1\n", "line 1.*from 1 to 3"),
        ("0 1 1 0 Infinity\n1\n", "line 1.*finite"),
        ("0 1 1 0 nan\n1\n", "line 1.*numbers"),
        ("0 -1 1 0\n1\n", "line 1.*at least 0"),
        ("0 1 1 0\n", "0 final states"),
        ("", "no graph"),
    ],
)
def test_damaged_graphs(file, text, message):
    file.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_graph(file, np.array([1, 1, 2]))
    assert str(file) in str(error.value)
