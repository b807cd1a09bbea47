"""Lattices in Kaldi's text form, plain and compact, and graphs of them."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfmodels.lattices.exploration import Emission
from tfmodels.lattices.exploration import explore
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from trainers.data.kaldi.lines import Line
from trainers.data.kaldi.lines import read_lines
from trainers.data.kaldi.lines import write_lines


class LatticeWeight(NamedTuple):
    """Costs, which are negative logs, and what a compact lattice has of the frames."""

    graph: float = 0.0
    """Cost of words, pronunciations and transitions."""
    acoustic: float = 0.0
    """Cost of the frames under the model that made the lattice."""
    transitions: tuple[int, ...] = ()
    """In a compact lattice, the transition id of each frame."""


class LatticeArc(NamedTuple):
    """One arc."""

    source: int
    target: int
    input: int
    """Transition id, 0 where it takes no frame; in a compact lattice, the word."""
    output: int
    """Word, 0 where none."""
    weight: LatticeWeight


@dataclass(frozen=True)
class Lattice:
    """What a decoder kept of one utterance."""

    utterance: str
    """Name of the utterance."""
    compact: bool
    """Whether words are on the arcs, each with the transitions of its frames."""
    arcs: tuple[LatticeArc, ...]
    """The first one leaves the start."""
    finals: Mapping[int, LatticeWeight]
    """Weight of each final state."""


def read_lattices(path: Path) -> Iterator[Lattice]:
    """The lattices of a text archive, one after another.

    Raises:
      DataError: a line is damaged, or a lattice has cycles or mixes the two forms.
    """
    block: list[Line] = []
    for line in read_lines(path):
        if line.fields:
            block.append(line)
        elif block:
            yield _lattice(block)
            block = []
    if block:
        yield _lattice(block)


def write_lattices(path: Path, lattices: Iterable[Lattice]) -> None:
    """Writes a text archive."""
    write_lines(path, (text for lattice in lattices for text in _lines(lattice)))


def lattice_graph(
    lattice: Lattice, pdf_of_transition: Sequence[int], phone_of_pdf: Sequence[int]
) -> Graph:
    """The paths of a lattice with their graph weights, to be scored anew.

    Arcs that take no frame are removed; their weights and words go to the next frame. A
    frame has one word: where several fall together the last stays, and words after the
    last frame have no place.

    Args:
      lattice: a lattice of either form.
      pdf_of_transition: pdf of each transition id; that of number 0 is not used.
      phone_of_pdf: phone of each pdf.

    Raises:
      DataError: the lattice has no path with frames.
    """
    arcs: dict[object, list[_Hop]] = {}
    for number, arc in enumerate(lattice.arcs):
        ids = (
            arc.weight.transitions
            if lattice.compact
            else (arc.input,) * (arc.input > 0)
        )
        _add_chain(
            arcs, arc.source, arc.target, arc.weight.graph, arc.output, ids, number
        )
    for state, weight in lattice.finals.items():
        # Behind the last word there may be frames; they lead to the one end.
        _add_chain(arcs, state, _END, weight.graph, 0, weight.transitions, ~state)

    def emissions(state: object) -> Iterator[Emission]:
        for hop in _framed(arcs, _Hop(state, 0.0, 0, 0)):
            pdf = pdf_of_transition[hop.transition]
            phone = phone_of_pdf[pdf]
            yield Emission(state, hop.target, pdf, -hop.cost, phone, hop.word)

    def final(state: object) -> float:
        weights = [-cost for cost in _ending(arcs, state)]
        return float(np.logaddexp.reduce(weights)) if weights else LOG_ZERO

    return explore(lattice.arcs[0].source if lattice.arcs else _END, emissions, final)


_END = "end"


class _Hop(NamedTuple):
    """A step from a state: over one frame, or none where `transition` is 0."""

    target: object
    cost: float
    word: int
    transition: int


def _add_chain(
    arcs: dict[object, list[_Hop]],
    source: object,
    target: object,
    cost: float,
    word: int,
    ids: Sequence[int],
    number: int,
) -> None:
    """Adds an arc with any number of frames as hops; inner states get names."""
    states = [source, *((number, place) for place in range(1, len(ids))), target]
    for place, transition in enumerate(ids or (0,)):
        first = place == 0
        hop = _Hop(states[place + 1], cost * first, word * first, transition)
        arcs.setdefault(states[place], []).append(hop)


def _framed(arcs: Mapping[object, list[_Hop]], before: _Hop) -> Iterator[_Hop]:
    """The next frames, whatever hops without frames come first."""
    for hop in arcs.get(before.target, ()):
        joined = hop._replace(cost=before.cost + hop.cost, word=hop.word or before.word)
        if hop.transition:
            yield joined
        else:
            yield from _framed(arcs, joined)


def _ending(arcs: Mapping[object, list[_Hop]], state: object) -> Iterator[float]:
    """The costs of all ways to end without another frame."""
    if state == _END:
        yield 0.0
    for hop in arcs.get(state, ()):
        if not hop.transition:
            yield from (hop.cost + cost for cost in _ending(arcs, hop.target))


def _lattice(block: Sequence[Line]) -> Lattice:
    header, *lines = block
    if len(header.fields) != 1:
        raise header.error("the name of an utterance")
    arcs: list[LatticeArc] = []
    finals: dict[int, LatticeWeight] = {}
    # A final weight alone does not tell the forms apart: it may have no frames.
    compact = any(_is_compact(line) for line in lines)
    for line in lines:
        fields = line.fields
        if len(fields) <= 2:
            (state,) = line.integers(fields[:1])
            finals[state] = _weight(line, fields[1:], compact)
            continue
        labels = 3 if compact else 4
        if not labels <= len(fields) <= labels + 1:
            raise line.error("source, target, labels and weights of one form")
        numbers = line.integers(fields[:labels])
        weight = _weight(line, fields[labels:], compact)
        source, target, label, *rest = numbers
        output = rest[0] if rest else label
        arcs.append(LatticeArc(source, target, label, output, weight))
    lattice = Lattice(header.text.strip(), compact, tuple(arcs), finals)
    _check_order(header, lattice)
    return lattice


def _check_order(header: Line, lattice: Lattice) -> None:
    """Raises `DataError` where a path comes back to where it was."""
    order: TopologicalSorter[int] = TopologicalSorter()
    for arc in lattice.arcs:
        order.add(arc.target, arc.source)
    try:
        order.prepare()
    except CycleError:
        raise header.error("a lattice without cycles") from None


def _is_compact(line: Line) -> bool:
    size = len(line.fields)
    return size == 3 or (size in (2, 4) and line.fields[-1].count(",") == 2)


def _weight(line: Line, fields: Sequence[str], compact: bool) -> LatticeWeight:
    if not fields:
        return LatticeWeight()
    parts = fields[0].split(",")
    if len(parts) != 2 + compact:
        raise line.error("graph cost,acoustic cost" + ",transition ids" * compact)
    ids = parts[2].split("_") if compact and parts[2] else []
    graph, acoustic = line.numbers(parts[:2])
    return LatticeWeight(graph, acoustic, tuple(line.integers(ids, least=1)))


def _lines(lattice: Lattice) -> Iterator[str]:
    yield lattice.utterance
    for arc in lattice.arcs:
        labels = (arc.input,) if lattice.compact else (arc.input, arc.output)
        ends = " ".join(map(str, (arc.source, arc.target, *labels)))
        yield f"{ends} {_shown(arc.weight, lattice.compact)}"
    for state, weight in lattice.finals.items():
        yield f"{state} {_shown(weight, lattice.compact)}"
    yield ""


def _shown(weight: LatticeWeight, compact: bool) -> str:
    costs = f"{float(weight.graph)!r},{float(weight.acoustic)!r}"
    return f"{costs},{'_'.join(map(str, weight.transitions))}" if compact else costs
