"""Lattices split by words and by phones, against their paths one by one."""

import numpy as np
import pytest

from tests.tfmodels.lattices.enumeration import random_graph
from tfmodels.errors import DataError
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.splitting import segments
from tfmodels.lattices.splitting import spoken
from tfmodels.lattices.splitting import with_spans
from tfmodels.lattices.stored import Lattice
from tfmodels.lattices.stored import from_mask

CLASSES = np.array([0, 1, 0, 1])


def paths_of(lattice: Lattice) -> list[tuple[tuple[int, ...], float]]:
    """Arcs and weight of every path."""
    graph = lattice.graph
    found = []
    firsts = np.flatnonzero(graph.initial > LOG_ZERO / 2)
    stack = [(int(s), (), float(graph.initial[s])) for s in firsts]
    while stack:
        state, arcs, weight = stack.pop()
        if graph.final[state] > LOG_ZERO / 2:
            found.append((arcs, weight + float(graph.final[state])))
        for arc in np.flatnonzero(graph.source == state):
            more = weight + float(graph.weight[arc])
            stack.append((int(graph.target[arc]), (*arcs, int(arc)), more))
    return found


def described(lattice: Lattice) -> list[tuple[object, ...]]:
    """What the paths are, whatever their states."""
    graph = lattice.graph
    rows = []
    for arcs, weight in paths_of(lattice):
        at = list(arcs)
        labels = zip(graph.pdf[at], graph.phone[at], graph.word[at], strict=True)
        rows.append((*(tuple(map(int, row)) for row in labels), round(weight, 4)))
    return sorted(rows)


@pytest.fixture(scope="module")
def lattice() -> Lattice:
    return from_mask(random_graph(1, 3, 7, 4), np.ones((4, 7), bool))


def test_paths_that_say_a_transcript(lattice: Lattice) -> None:
    every = described(lattice)
    said = {tuple(word for *_, word in row[:-1] if word) for row in every}
    assert len(said) > 5
    for words in said:
        expected = [
            row for row in every if tuple(w for *_, w in row[:-1] if w) == words
        ]
        assert described(spoken(lattice, words)) == expected
    with pytest.raises(DataError, match="accepts nothing"):
        spoken(lattice, (1, 1, 1, 1, 1))


def test_arcs_know_their_phones(lattice: Lattice) -> None:
    split, spans = with_spans(lattice, CLASSES)
    assert described(split) == described(lattice)
    for arcs, _ in paths_of(split):
        at = list(arcs)
        path = segments(split.graph.phone[at], CLASSES[split.graph.pdf[at]])
        for frame, arc in enumerate(at):
            part = np.searchsorted(path.start, frame, side="right") - 1
            expected = path.phone[part], path.start[part], path.end[part]
            found = spans.phone[arc], spans.start[arc], spans.end[arc]
            assert found == expected


def test_phones_of_an_alignment() -> None:
    found = segments(np.array([3, 3, 3, 3, 1, 3]), np.array([0, 0, 1, 0, 1, 1]))
    assert found.phone.tolist() == [3, 3, 1, 3]
    assert found.start.tolist() == [0, 3, 4, 5]
    assert found.end.tolist() == [3, 4, 5, 6]
