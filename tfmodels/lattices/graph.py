"""The weighted automaton that all recursions run on, and its form for tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError

LOG_ZERO = -1e30
"""Logarithm of zero: finite, so that differences of two of them are numbers."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A weighted automaton without epsilons: every arc takes one frame and has a pdf.

    Arrays are converted to the types below.

    Raises:
      DataError: arrays disagree in size, an index is outside, a weight is not finite,
        or no state is initial or final.
    """

    source: np.ndarray
    """int32 [A], state that the arc leaves."""
    target: np.ndarray
    """int32 [A], state that the arc enters."""
    pdf: np.ndarray
    """int32 [A], index of the output of the acoustic model."""
    weight: np.ndarray
    """float32 [A], log."""
    initial: np.ndarray
    """float32 [I], log weights, LOG_ZERO where none."""
    final: np.ndarray
    """float32 [I], log weights, LOG_ZERO where not final."""
    phone: np.ndarray
    """int32 [A], phone of the arc's pdf."""
    word: np.ndarray
    """int32 [A], word that is complete (or begins) with this arc, 0 where none."""

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = np.float32 if field.name in _WEIGHTS else np.int32
            value = np.asarray(getattr(self, field.name)).astype(kind)
            object.__setattr__(self, field.name, value)
        self._validate()

    @property
    def num_states(self) -> int:
        """Number of states, I."""
        return len(self.initial)

    @property
    def num_arcs(self) -> int:
        """Number of arcs, A."""
        return len(self.source)

    def _validate(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            owner = "initial" if field.name in ("initial", "final") else "source"
            expected = (len(getattr(self, owner)),)
            if value.shape != expected:
                raise _damaged(f"{field.name} of shape {expected}", value.shape)
            if not np.all(np.isfinite(value)):
                raise _damaged(f"finite numbers in {field.name}", value)
        for name in ("source", "target"):
            states = getattr(self, name)
            if np.any((states < 0) | (states >= self.num_states)):
                raise _damaged(f"{name} in [0, {self.num_states})", states)
        for name in ("pdf", "phone", "word"):
            if np.any(getattr(self, name) < 0):
                raise _damaged(f"{name} of at least 0", getattr(self, name))
        for name in ("initial", "final"):
            if not np.any(getattr(self, name) > LOG_ZERO / 2):
                raise _damaged(f"at least one state with a weight in {name}", "none")


_WEIGHTS = ("weight", "initial", "final")


def _damaged(expected: str, received: Any) -> DataError:
    return DataError(f"The graph is damaged. Expected {expected}; received {received}.")


class Arcs(NamedTuple):
    """Graphs as arrays or tensors, to pass through ``tf.data`` and ``tf.function``.

    Rank 1 arcs are one graph that all utterances share. Rank 2 are a graph of each
    utterance, padded with arcs of weight LOG_ZERO. Rank 3 are arcs that exist in one
    frame only, as those of a stored lattice.
    """

    source: Any
    """int32 [A], [B, A] or [B, T, A], state that the arc leaves."""
    target: Any
    """int32, like `source`, state that the arc enters."""
    pdf: Any
    """int32, like `source`, index of the output of the acoustic model."""
    weight: Any
    """float32, like `source`, log."""
    initial: Any
    """float32 [I] or [B, I], log."""
    final: Any
    """float32 [I] or [B, I], log."""
    phone: Any
    """int32, like `source`."""
    word: Any
    """int32, like `source`, 0 where none."""


def arcs(graph: Graph) -> Arcs:
    """One graph for all utterances of a batch, as NumPy arrays."""
    return Arcs(*(getattr(graph, name) for name in Arcs._fields))


def stack(graphs: Sequence[Graph], num_arcs: int = 0, num_states: int = 0) -> Arcs:
    """A graph of each utterance, as NumPy arrays [B, A] and [B, I].

    Args:
      graphs: one of each utterance.
      num_arcs: smallest A, so that batches have one static shape.
      num_states: smallest I.
    """
    num_arcs = max(num_arcs, *(graph.num_arcs for graph in graphs))
    num_states = max(num_states, *(graph.num_states for graph in graphs))
    return Arcs(
        *(
            np.stack([_padded(graph, name, num_arcs, num_states) for graph in graphs])
            for name in Arcs._fields
        )
    )


def _padded(graph: Graph, name: str, num_arcs: int, num_states: int) -> np.ndarray:
    value: np.ndarray = getattr(graph, name)
    size = num_states if name in ("initial", "final") else num_arcs
    fill = LOG_ZERO if name in _WEIGHTS else 0
    return np.pad(value, (0, size - len(value)), constant_values=fill)
