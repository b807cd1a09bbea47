"""From a grammar of phones to a graph of pdfs: contexts and hidden Markov models."""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.exploration import Emission
from tfmodels.lattices.exploration import explore
from tfmodels.lattices.grammar import BOUNDARY
from tfmodels.lattices.grammar import Arc
from tfmodels.lattices.grammar import Grammar
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.topology import Step
from tfmodels.lattices.topology import Topology
from tfmodels.lattices.tying import Tying


class _Place(NamedTuple):
    """A state: the state of the model of a phone that the last frame entered."""

    node: Any
    """State of the grammar after the phone."""
    phone: int
    pdfs: tuple[int, ...]
    """Of each pdf class."""
    rights: frozenset[int]
    """The phones that may follow, as each of them gives these pdfs."""
    state: int
    """State of the phone's topology."""


class _Expansion:
    """The arcs and final weights of a composition, state by state.

    A place forgets how it was reached, up to the pdfs, so paths share what they can.
    """

    def __init__(
        self,
        grammar: Grammar,
        topologies: Mapping[int, Topology],
        tying: Tying,
        scales: Scales,
    ) -> None:
        self._grammar = grammar
        self._topologies = topologies
        self._tying = tying
        self._scales = scales
        self._arcs: dict[Any, list[Arc]] = {}
        self._contexts: dict[
            tuple[int, int, Any], list[tuple[tuple[int, ...], frozenset[int]]]
        ] = {}

    def emissions(self, place: _Place | None) -> Iterator[Emission]:
        """What leaves a place; None is the start."""
        if place is None:
            yield from self._entries(None, self._grammar.start, BOUNDARY, 0.0)
            return
        for step in self._steps(place):
            if step.pdf_class < 0:
                yield from self._entries(place, place.node, place.phone, step.weight)
                continue
            pdf = place.pdfs[step.pdf_class]
            target = place._replace(state=step.state)
            yield Emission(place, target, pdf, step.weight, place.phone)

    def final(self, place: _Place | None) -> float:
        """Log weight of ending in a place."""
        if place is None:
            return self._grammar.final(self._grammar.start)
        weight = self._grammar.final(place.node)
        ends = [step.weight for step in self._steps(place) if step.pdf_class < 0]
        if not ends or weight <= LOG_ZERO or BOUNDARY not in place.rights:
            return LOG_ZERO
        return weight + ends[0]

    def _steps(self, place: _Place) -> Iterator[Step]:
        return self._topologies[place.phone].steps(place.state, self._scales)

    def _entries(
        self, place: _Place | None, node: Any, left: int, weight: float
    ) -> Iterator[Emission]:
        """The first frames of the phones that may follow."""
        for arc in self._leaving(node):
            phone = arc.label
            if place is not None and phone not in place.rights:
                continue
            for pdfs, rights in self._groups(left, phone, arc.target):
                target = _Place(arc.target, phone, pdfs, rights, 0)
                pdf = pdfs[self._topologies[phone].entry[0]]
                total = weight + arc.weight
                yield Emission(place, target, pdf, total, phone, arc.word)

    def _leaving(self, node: Any) -> list[Arc]:
        if node not in self._arcs:
            self._arcs[node] = list(self._grammar.arcs(node))
        return self._arcs[node]

    def _groups(
        self, left: int, phone: int, node: Any
    ) -> list[tuple[tuple[int, ...], frozenset[int]]]:
        """The pdfs that a phone may have before what can follow, each with those."""
        key = left, phone, node
        if key not in self._contexts:
            rights = {arc.label for arc in self._leaving(node)}
            if self._grammar.final(node) > LOG_ZERO:
                rights.add(BOUNDARY)
            groups: dict[tuple[int, ...], set[int]] = {}
            for right in sorted(rights):
                pdfs = self._tying.pdfs(left, phone, right)
                groups.setdefault(pdfs, set()).add(right)
            self._contexts[key] = [
                (pdfs, frozenset(group)) for pdfs, group in groups.items()
            ]
        return self._contexts[key]


def compose(
    grammar: Grammar,
    topologies: Mapping[int, Topology],
    tying: Tying,
    scales: Scales | None = None,
) -> Graph:
    """The graph H o C o G of a grammar of phones.

    State 0 is the start, without a frame; every other state is one of a phone's model,
    which the frame before has entered. Contexts reach across words. Where pdfs depend
    on the right neighbour, a path decides for it when it enters a phone.

    Args:
      grammar: a language of phones, as `Pronounced` or a phone language model.
      topologies: the model of each phone.
      tying: pdfs of phones in context.
      scales: factors on transition log probabilities; those of hybrid models if None.

    Raises:
      DataError: the grammar accepts nothing, or phones lack pdfs or a topology.
    """
    _check(topologies, tying)
    expansion = _Expansion(grammar, topologies, tying, scales or Scales())
    return explore(None, expansion.emissions, expansion.final)


def _check(topologies: Mapping[int, Topology], tying: Tying) -> None:
    """Raises `DataError` where a phone and the table differ in the number of pdfs."""
    for phone, topology in topologies.items():
        rows = tying.table[:, phone] if phone < tying.table.shape[1] else None
        sizes = np.zeros(1) if rows is None else np.unique((rows >= 0).sum(axis=-1))
        if not set(sizes.tolist()) <= {0, topology.num_classes}:
            raise DataError(
                f"The tied states of phone {phone} do not fit its topology. Expected"
                f" {topology.num_classes} pdfs in each context; received"
                f" {', '.join(map(str, sizes.tolist()))}."
            )
