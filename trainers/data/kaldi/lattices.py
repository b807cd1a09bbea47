"""Lattices in Kaldi's text form, plain and compact."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

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
class KaldiLattice:
    """What a decoder kept of one utterance."""

    utterance: str
    """Name of the utterance."""
    compact: bool
    """Whether words are on the arcs, each with the transitions of its frames."""
    arcs: tuple[LatticeArc, ...]
    """The first one leaves the start."""
    finals: Mapping[int, LatticeWeight]
    """Weight of each final state."""


def read_lattices(path: Path) -> Iterator[KaldiLattice]:
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


def write_lattices(path: Path, lattices: Iterable[KaldiLattice]) -> None:
    """Writes a text archive."""
    write_lines(path, (text for lattice in lattices for text in _lines(lattice)))


def _lattice(block: Sequence[Line]) -> KaldiLattice:
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
    lattice = KaldiLattice(header.text.strip(), compact, tuple(arcs), finals)
    _check_order(header, lattice)
    return lattice


def _check_order(header: Line, lattice: KaldiLattice) -> None:
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


def _lines(lattice: KaldiLattice) -> Iterator[str]:
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
