"""Graphs of states that are discovered as they are reached."""

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph


class Emission(NamedTuple):
    """An arc on its way into a graph, its ends being whatever is hashable."""

    source: Hashable
    target: Hashable
    pdf: int
    weight: float
    phone: int
    word: int = 0


def explore(
    start: Any,
    emissions: Callable[[Any], Iterable[Emission]],
    final: Callable[[Any], float],
) -> Graph:
    """The graph of all states that paths from the start to an end come through.

    Args:
      start: the only initial state, of weight 1; number 0 of the graph.
      emissions: the arcs that leave a state.
      final: log weight of ending in a state, LOG_ZERO where that cannot be.

    Raises:
      DataError: no path leads to an end.
    """
    numbers: dict[Hashable, int] = {start: 0}
    queue = [start]
    found: list[Emission] = []
    for state in queue:
        for emission in emissions(state):
            found.append(emission)
            if emission.target not in numbers:
                numbers[emission.target] = len(numbers)
                queue.append(emission.target)
    return _assemble(found, numbers, np.array([final(state) for state in queue]))


def _assemble(
    emissions: list[Emission], numbers: dict[Hashable, int], final: np.ndarray
) -> Graph:
    """Arrays of a graph, without the states that lead nowhere."""
    source = np.array([numbers[e.source] for e in emissions], np.int32)
    target = np.array([numbers[e.target] for e in emissions], np.int32)
    alive = final > LOG_ZERO
    num_alive = -1
    while num_alive != (num_alive := int(alive.sum())):
        alive[source[alive[target]]] = True
    if not alive[0] or not emissions:
        raise DataError(
            "The grammar accepts nothing. Expected at least one sequence that its"
            " words, pronunciations and language model allow; received none."
        )
    kept = alive[source] & alive[target]
    renumbered = np.cumsum(alive) - 1
    columns = np.array([e[2:] for e in emissions], np.float64)[kept].T
    initial = np.full(num_alive, LOG_ZERO)
    initial[0] = 0
    return Graph(
        source=renumbered[source[kept]],
        target=renumbered[target[kept]],
        pdf=columns[0],
        weight=columns[1],
        initial=initial,
        final=final[alive],
        phone=columns[2],
        word=columns[3],
    )
