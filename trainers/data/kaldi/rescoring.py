"""Lattices of Kaldi as they are scored anew: arcs with pdfs, phones and times."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.exploration import Emission
from tfmodels.lattices.exploration import explore
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.stored import Lattice
from tfmodels.lattices.stored import timed
from trainers.data.kaldi.lattices import KaldiLattice
from trainers.data.kaldi.lattices import LatticeArc
from trainers.data.kaldi.states import Transitions


def stored_lattice(lattice: KaldiLattice, transitions: Transitions) -> Lattice:
    """The paths of a lattice with their graph weights, to be scored anew.

    Arcs that take no frame are removed; their weights and words go to the next frame. A
    frame has one word: where several fall together the last stays, and words after the
    last frame have no place.

    Args:
      lattice: a lattice of either form.
      transitions: those of the model that made the lattice.

    Raises:
      DataError: the lattice has no path with frames, its paths differ in length, or a
        transition is not one of the model.
    """
    _check_transitions(lattice, transitions)
    arcs: dict[object, list[_Hop]] = {}
    for number, arc in enumerate(lattice.arcs):
        ids = _ids(lattice, arc)
        _add_chain(
            arcs, arc.source, arc.target, arc.weight.graph, arc.output, ids, number
        )
    for state, weight in lattice.finals.items():
        # Behind the last word there may be frames; they lead to the one end.
        _add_chain(arcs, state, _END, weight.graph, 0, weight.transitions, ~state)

    def emissions(state: object) -> Iterator[Emission]:
        for hop in _framed(arcs, _Hop(state, 0.0, 0, 0)):
            pdf = int(transitions.pdf[hop.transition])
            phone = int(transitions.phone[hop.transition])
            yield Emission(state, hop.target, pdf, -hop.cost, phone, hop.word)

    def final(state: object) -> float:
        weights = [-cost for cost in _ending(arcs, state)]
        return float(np.logaddexp.reduce(weights)) if weights else LOG_ZERO

    start = lattice.arcs[0].source if lattice.arcs else _END
    return timed(explore(start, emissions, final))


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


def _ids(lattice: KaldiLattice, arc: LatticeArc) -> tuple[int, ...]:
    """Transition id of each frame of an arc."""
    if lattice.compact:
        return arc.weight.transitions
    return (arc.input,) if arc.input else ()


def _check_transitions(lattice: KaldiLattice, transitions: Transitions) -> None:
    ids = [id_ for arc in lattice.arcs for id_ in _ids(lattice, arc)]
    ids += [id_ for weight in lattice.finals.values() for id_ in weight.transitions]
    largest = max(ids, default=0)
    if largest >= len(transitions.pdf):
        raise DataError(
            f"The lattice of {lattice.utterance} is of another model. Expected"
            f" transition ids up to {len(transitions.pdf) - 1}; received {largest}."
        )
