"""Lattices in Kaldi's text forms, and the graphs of their paths."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.enumeration import INITIAL
from tests.tfmodels.lattices.enumeration import LENGTHS
from tests.tfmodels.lattices.enumeration import SCORES
from tests.tfmodels.lattices.enumeration import TRANSITIONS as STEPS
from tests.tfmodels.lattices.speech import paths
from tests.tfmodels.lattices.speech import rounded
from tfmodels.errors import DataError
from tfmodels.lattices.forward_backward import log_partition
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.stored import stack_lattices
from trainers.data.kaldi.lattices import KaldiLattice
from trainers.data.kaldi.lattices import LatticeArc
from trainers.data.kaldi.lattices import LatticeWeight
from trainers.data.kaldi.lattices import read_lattices
from trainers.data.kaldi.lattices import write_lattices
from trainers.data.kaldi.rescoring import stored_lattice
from trainers.data.kaldi.states import Transitions

TRANSITIONS = Transitions(
    np.array([-1, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 0, 1])
)

PLAIN = """utt-1
0 1 4 7 3.5,-10.25
0 1 2 0 0.5,1
1 2 0 9 0.125,0
2 3 3 0
3 0.25,0

utt-2
0 1 1 5 1,2
1

"""
COMPACT = """utt-1
0 1 7 3.5,-10.25,4_4_2
0 2 8 1,2,
1 3 9 0.5,0.5,3
2 3 9 0,0,4_2_4_1
3 0.25,0,2_2

"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "lat.txt"


def test_plain_form(file):
    # Kaldi puts a space after the name.
    file.write_text(PLAIN.replace("utt-1", "utt-1 "))
    first, second = read_lattices(file)
    assert (first.utterance, first.compact) == ("utt-1", False)
    assert first.arcs[0] == (0, 1, 4, 7, (3.5, -10.25, ()))
    assert first.arcs[3] == (2, 3, 3, 0, (0, 0, ()))
    assert first.finals == {3: (0.25, 0.0, ())}
    assert second == KaldiLattice(
        "utt-2",
        False,
        (LatticeArc(0, 1, 1, 5, LatticeWeight(1, 2)),),
        {1: LatticeWeight()},
    )


def test_compact_form(file):
    file.write_text(COMPACT)
    (lattice,) = read_lattices(file)
    assert lattice.compact
    assert lattice.arcs[0] == (0, 1, 7, 7, (3.5, -10.25, (4, 4, 2)))
    assert lattice.arcs[1].weight.transitions == ()
    assert lattice.finals == {3: (0.25, 0.0, (2, 2))}


@pytest.mark.parametrize("text", [PLAIN, COMPACT])
def test_round_trip(file, text):
    file.write_text(text)
    lattices = list(read_lattices(file))
    write_lattices(file, lattices)
    assert list(read_lattices(file)) == lattices


def test_paths_of_a_plain_lattice(file):
    file.write_text(PLAIN)
    first, _ = read_lattices(file)
    graph = stored_lattice(first, TRANSITIONS).graph
    # The word of an arc without a frame goes to the next frame.
    assert rounded(paths(graph, 2)) == [
        ((1, 2), ((1, 9),), -0.875),
        ((3, 2), ((0, 7), (1, 9)), -3.875),
    ]
    assert graph.phone[graph.pdf == 2].tolist() == [2]


def test_paths_of_a_compact_lattice(file):
    file.write_text(COMPACT)
    (lattice,) = read_lattices(file)
    graph = stored_lattice(lattice, TRANSITIONS).graph
    assert rounded(paths(graph, 6)) == [
        ((3, 1, 3, 0, 1, 1), ((0, 9),), -1.25),
        ((3, 3, 1, 2, 1, 1), ((0, 7), (3, 9)), -4.25),
    ]
    for num_frames in (1, 2, 3, 4, 5, 7):
        assert not paths(graph, num_frames)


def test_unrolled_trellis_sums_to_the_published_value(file):
    start, step, scores = np.log(INITIAL), np.log(STEPS), SCORES[0]
    arcs = [
        LatticeArc(0, 1 + k, 1 + k, 0, LatticeWeight(-start[k], -scores[0, k]))
        for k in range(3)
    ]
    for frame, i, j in itertools.product((1, 2), range(3), range(3)):
        weight = LatticeWeight(-step[i, j], -scores[frame, j])
        source, target = 1 + 3 * (frame - 1) + i, 1 + 3 * frame + j
        arcs.append(LatticeArc(source, target, 1 + j, 0, weight))
    finals = {state: LatticeWeight() for state in (7, 8, 9)}
    write_lattices(file, [KaldiLattice("t3", False, tuple(arcs), finals)])
    (lattice,) = read_lattices(file)
    stored = stored_lattice(lattice, TRANSITIONS)
    assert len(paths(stored.graph, 3)) == 27
    batch = stack_lattices([stored], num_frames=3)
    log_z = log_partition(tf.constant(SCORES), LENGTHS, batch)
    np.testing.assert_allclose(log_z, [0.918999], atol=1e-6)


def test_lattices_of_other_models(file):
    file.write_text(PLAIN)
    first, _ = read_lattices(file)
    few = Transitions(TRANSITIONS.pdf[:4], TRANSITIONS.phone[:4], np.zeros(4))
    with pytest.raises(DataError, match="utt-1 is of another model"):
        stored_lattice(first, few)


def test_all_ways_to_end_without_a_frame_count(file):
    file.write_text("u\n0 1 1 0\n1 2 0 0 1,0\n1 3 0 0 2,0\n2\n3 1,0\n")
    (lattice,) = read_lattices(file)
    graph = stored_lattice(lattice, TRANSITIONS).graph
    ends = graph.final[graph.final > LOG_ZERO / 2]
    assert ends == pytest.approx([np.log(np.exp(-1) + np.exp(-3))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b\n0 1 1 1\n1\n", "line 1.*name"),
        ("a\n0 1 1 1 1,2,3\n1\n", "line 2.*graph cost"),
        ("a\n0 1 1 1 x,2\n1\n", "line 2.*numbers"),
        ("a\n0 1 1 1 1,2\n1 2 3 1,2,4_4\n2\n", "line 2"),
        ("a\n0 1 1 1,2,4_x\n1\n", "line 2.*whole numbers"),
        ("a\n0 1 1 1,2,4_0\n1\n", "line 2.*at least 1"),
        ("a\n0 1 1 1\n1 0 0 0\n1\n", "line 1.*without cycles"),
        ("a\n0 0 0 0\n0\n", "line 1.*without cycles"),
    ],
)
def test_damaged_lattices(file, text, message):
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        list(read_lattices(file))


def test_lattice_without_frames_has_no_graph(file):
    file.write_text("a\n0 1 0 3\n1\n\nb\n\n")
    for lattice in read_lattices(file):
        with pytest.raises(DataError, match="accepts nothing"):
            stored_lattice(lattice, TRANSITIONS)
