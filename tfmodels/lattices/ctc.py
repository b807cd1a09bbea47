"""Graphs of connectionist temporal classification over any grammar of labels."""

from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from tfmodels.lattices.exploration import Emission
from tfmodels.lattices.exploration import explore
from tfmodels.lattices.grammar import Grammar
from tfmodels.lattices.graph import Graph


class _Place(NamedTuple):
    """A state: after a label, or after a blank or at the start, where `label` is 0."""

    node: Any
    """State of the grammar."""
    label: int


def ctc_graph(grammar: Grammar, blank: int = 0) -> Graph:
    """All ways to spread labels over frames, with blanks between them.

    A frame repeats the label before it, or is blank, or begins the next label; two
    equal labels need a blank between them (Graves et al., ICML 2006, section 4.1). With
    log softmax scores the sum over the paths of one sequence is the CTC likelihood.

    Args:
      grammar: sequences of labels; a label's pdf is its number, a blank's phone is 0.
      blank: pdf of blanks.

    Raises:
      DataError: the grammar accepts nothing.
    """
    return explore(
        _Place(grammar.start, 0),
        lambda place: _emissions(grammar, place, blank),
        lambda place: grammar.final(place.node),
    )


def _emissions(grammar: Grammar, place: _Place, blank: int) -> Iterator[Emission]:
    yield Emission(place, place._replace(label=0), blank, 0.0, 0)
    if place.label:
        yield Emission(place, place, place.label, 0.0, place.label)
    for arc in grammar.arcs(place.node):
        if arc.label != place.label:
            target = _Place(arc.target, arc.label)
            yield Emission(place, target, arc.label, arc.weight, arc.label, arc.word)
