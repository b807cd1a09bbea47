"""Lattices whose states are split by what paths have said, or by phones' limits."""

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.lattices.exploration import Emission
from tfmodels.lattices.exploration import explore
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.stored import Lattice
from tfmodels.lattices.stored import Segments
from tfmodels.lattices.stored import timed


def spoken(lattice: Lattice, words: Sequence[int]) -> Lattice:
    """The paths of a lattice that say a transcript, with their weights.

    So the sum over what was said is never above that over all that was kept.

    Args:
      lattice: what a decoder kept.
      words: what was said.

    Raises:
      DataError: no path says it.
    """
    word = lattice.graph.word

    def follow(said: int, arc: int) -> int | None:
        if not word[arc]:
            return said
        right = said < len(words) and words[said] == word[arc]
        return said + 1 if right else None

    return timed(_split(lattice.graph, 0, follow, lambda said: said == len(words)))


def with_spans(lattice: Lattice, class_of_pdf: np.ndarray) -> tuple[Lattice, Segments]:
    """The same paths, each arc being a part of one phone with its frames.

    A phone begins where the phone before was another, or where the first of its pdf
    classes comes after another one: phones of a single class that follow themselves
    are taken for one.

    Args:
      lattice: what a decoder kept.
      class_of_pdf: int32 [P], pdf class of each output.

    Returns:
      The lattice, and of each of its arcs the phone that it is a part of.
    """
    later, starts = _with_starts(lattice, class_of_pdf)
    graph, time = later.graph, later.time
    # The other way round, each arc knows where its phone ends.
    backward = replace(
        graph,
        source=graph.target,
        target=graph.source,
        initial=graph.final,
        final=graph.initial,
        word=1 + np.arange(graph.num_arcs),
    )

    def follow(end: int, arc: int) -> int:
        end = end if end >= 0 else time[arc] + 1
        return -1 if starts[arc] == time[arc] else end

    split = _split(backward, -1, follow, lambda end: end < 0)
    arc = split.word - 1
    forward = replace(
        split,
        source=split.target,
        target=split.source,
        initial=split.final,
        final=split.initial,
        word=graph.word[arc],
    )
    found = Lattice(forward, time[arc])
    return found, Segments(forward.phone, starts[arc], _ends(found, starts[arc]))


def segments(phone: np.ndarray, pdf_class: np.ndarray) -> Segments:
    """The phones of an alignment; they begin as in `with_spans`.

    Args:
      phone: int32 [T], phone of each frame.
      pdf_class: int32 [T], pdf class of each frame.
    """
    again = (pdf_class[1:] == 0) & (pdf_class[:-1] != 0)
    start = np.flatnonzero(np.append(True, (phone[1:] != phone[:-1]) | again))
    return Segments(phone[start], start, np.append(start[1:], len(phone)))


class _Within(NamedTuple):
    """Where in a phone a path is."""

    phone: int
    start: int
    is_first: bool
    """Whether the frame before was of the first pdf class."""


def _with_starts(
    lattice: Lattice, class_of_pdf: np.ndarray
) -> tuple[Lattice, np.ndarray]:
    """The lattice, split, and the first frame of the phone of each arc, int32 [A]."""
    graph, time = lattice.graph, lattice.time
    begun: list[int] = []
    numbers: list[int] = []

    def follow(before: _Within, arc: int) -> _Within:
        phone, is_first = int(graph.phone[arc]), class_of_pdf[graph.pdf[arc]] == 0
        begins = phone != before.phone or (is_first and not before.is_first)
        start = int(time[arc]) if begins else before.start
        return _Within(phone, start, bool(is_first))

    def note(arc: int, after: _Within) -> int:
        numbers.append(arc)
        begun.append(after.start)
        return len(numbers)

    nowhere = _Within(-1, -1, True)
    split = _split(graph, nowhere, follow, lambda _: True, note)
    chosen = split.word - 1
    words = graph.word[np.array(numbers)[chosen]]
    return timed(replace(split, word=words)), np.array(begun, np.int32)[chosen]


def _ends(lattice: Lattice, starts: np.ndarray) -> np.ndarray:
    """Frame after the last of the phone of each arc, int32 [A]: known to every state
    from behind, since it was split by it."""
    graph, time = lattice.graph, lattice.time
    ends = np.zeros(graph.num_arcs, np.int32)
    # Of the arcs that go on from each state within a phone, the end of the phone.
    going_on = np.full(graph.num_states, -1, np.int32)
    for arc in np.argsort(-time, kind="stable"):
        behind = going_on[graph.target[arc]]
        ends[arc] = behind if behind >= 0 else time[arc] + 1
        if starts[arc] != time[arc]:
            going_on[graph.source[arc]] = ends[arc]
    return ends


def _split(
    graph: Graph,
    start: Any,
    follow: Callable[[Any, int], Any],
    ends: Callable[[Any], bool],
    label: Callable[[int, Any], int] | None = None,
) -> Graph:
    """A graph whose states are pairs of a state and what `follow` remembers of a path.

    Args:
      graph: an acyclic graph.
      start: what is remembered before the first arc.
      follow: of what is remembered and an arc, what is remembered after; None if the
        arc cannot be taken.
      ends: whether a path may end with what is remembered.
      label: the `word` of an arc, given it and what is remembered after it.
    """
    leaving: list[list[int]] = [[] for _ in range(graph.num_states)]
    for arc, source in enumerate(graph.source):
        leaving[source].append(arc)
    firsts = np.flatnonzero(graph.initial > LOG_ZERO / 2)

    def taken(
        place: Hashable, state: int, memory: Any, weight: float
    ) -> Iterator[Emission]:
        for arc in leaving[state]:
            after = follow(memory, arc)
            if after is None:
                continue
            word = int(graph.word[arc]) if label is None else label(arc, after)
            yield Emission(
                place,
                (int(graph.target[arc]), after),
                int(graph.pdf[arc]),
                weight + float(graph.weight[arc]),
                int(graph.phone[arc]),
                word,
            )

    def emissions(place: Any) -> Iterator[Emission]:
        if place is not None:
            state, memory = place
            yield from taken(place, state, memory, 0.0)
            return
        for state in firsts:
            yield from taken(None, int(state), start, float(graph.initial[state]))

    def final(place: Any) -> float:
        if place is None or not ends(place[1]):
            return LOG_ZERO
        weight = float(graph.final[place[0]])
        return weight if weight > LOG_ZERO / 2 else LOG_ZERO

    return explore(None, emissions, final)
