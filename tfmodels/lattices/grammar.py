"""Weighted languages of words or phones that are explored as they are needed."""

from collections.abc import Hashable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import Protocol

from tfmodels.lattices.graph import LOG_ZERO

BOUNDARY = 0
"""Neither a word nor a phone: what is before the first one and after the last."""


class Arc(NamedTuple):
    """One way to go on from a state."""

    label: int
    """Word or phone, from 1."""
    weight: float
    """Log."""
    target: Hashable
    """The state that follows."""
    word: int = 0
    """In a language of phones, the word that begins with this one, 0 where none."""


class Grammar(Protocol):
    """A weighted language without epsilons; states are what the grammar likes."""

    @property
    def start(self) -> Any:
        """The state before anything was said."""

    def arcs(self, state: Any) -> Sequence[Arc]:
        """All ways to go on."""

    def final(self, state: Any) -> float:
        """Log weight of ending here, LOG_ZERO where that cannot be."""


class Deterministic(Grammar, Protocol):
    """A grammar in which a state and a label leave no choice."""

    def follow(self, state: Any, label: int) -> Arc | None:
        """The way to go on with a label, if there is one."""


class Linear:
    """One sequence of labels, of weight 1; states count the labels that are over."""

    start = 0

    def __init__(self, labels: Sequence[int]) -> None:
        """Takes the labels."""
        self._labels = tuple(labels)

    def arcs(self, state: int) -> Sequence[Arc]:
        """See `Grammar`."""
        if state == len(self._labels):
            return ()
        return (Arc(self._labels[state], 0.0, state + 1),)

    def final(self, state: int) -> float:
        """See `Grammar`."""
        return 0.0 if state == len(self._labels) else LOG_ZERO


class Intersection:
    """What two grammars both accept, with the product of their weights."""

    def __init__(self, grammar: Grammar, model: Deterministic) -> None:
        """Takes the grammar whose arcs are tried, and the model that weighs them."""
        self._grammar = grammar
        self._model = model
        self.start = (grammar.start, model.start)

    def arcs(self, state: tuple[Any, Any]) -> Sequence[Arc]:
        """See `Grammar`."""
        found = []
        for arc in self._grammar.arcs(state[0]):
            other = self._model.follow(state[1], arc.label)
            if other is not None:
                weight = arc.weight + other.weight
                target = (arc.target, other.target)
                found.append(Arc(arc.label, weight, target, arc.word))
        return found

    def final(self, state: tuple[Any, Any]) -> float:
        """See `Grammar`."""
        weights = self._grammar.final(state[0]), self._model.final(state[1])
        return LOG_ZERO if min(weights) <= LOG_ZERO else sum(weights)


class Unweighted:
    """The label sequences of a grammar, each once and of weight 1, without words.

    States are sets of states of the grammar (the subset construction).
    """

    def __init__(self, grammar: Grammar) -> None:
        """Takes the grammar."""
        self._grammar = grammar
        self.start = frozenset([grammar.start])

    def arcs(self, state: frozenset[Any]) -> Sequence[Arc]:
        """See `Grammar`."""
        targets: dict[int, set[Any]] = {}
        for member in state:
            for arc in self._grammar.arcs(member):
                targets.setdefault(arc.label, set()).add(arc.target)
        return [Arc(label, 0.0, frozenset(targets[label])) for label in sorted(targets)]

    def final(self, state: frozenset[Any]) -> float:
        """See `Grammar`."""
        ends = any(self._grammar.final(member) > LOG_ZERO for member in state)
        return 0.0 if ends else LOG_ZERO
