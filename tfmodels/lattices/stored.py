"""Lattices that were stored: graphs of one utterance whose arcs have a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import Graph


@dataclass(frozen=True, eq=False)
class Lattice:
    """Paths of one utterance: an acyclic graph, each of whose states has a time.

    Raises:
      DataError: an arc does not lead from a state of its frame to one of the next, or
        a path does not begin with the first frame and end with the last.
    """

    graph: Graph
    time: np.ndarray
    """int32 [A], the one frame in which an arc exists."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", np.asarray(self.time, np.int32))
        if self.time.shape != self.graph.source.shape or np.any(self.time < 0):
            raise DataError(
                f"The lattice is damaged. Expected {self.graph.num_arcs} times of at"
                f" least 0; received {self.time}."
            )
        times, graph = self.state_times, self.graph
        fits = (times[graph.source] == self.time) & (
            times[graph.target] == self.time + 1
        )
        if not np.all(fits):
            raise DataError(
                "The lattice is damaged. Expected arcs from a state of their frame to"
                f" one of the next; received arc {np.argmin(fits)}, which is not."
            )
        first, last = (ends > LOG_ZERO / 2 for ends in (graph.initial, graph.final))
        if times[first].any() or (times[last] != self.num_frames).any():
            raise DataError(
                "The lattice is damaged. Expected initial states before frame 0 and"
                f" final states after frame {self.num_frames - 1}; received initial"
                f" ones at {times[first]} and final ones at {times[last]}."
            )

    @property
    def num_frames(self) -> int:
        """Frames of every path."""
        return int(self.time.max()) + 1

    @property
    def state_times(self) -> np.ndarray:
        """int32 [I], number of frames before each state."""
        times = np.zeros(self.graph.num_states, np.int32)
        times[self.graph.source] = self.time
        times[self.graph.target] = self.time + 1
        return times


class Segments(NamedTuple):
    """Phones with their frames."""

    phone: np.ndarray
    """int32 [Q]."""
    start: np.ndarray
    """int32 [Q], first frame."""
    end: np.ndarray
    """int32 [Q], frame after the last."""


def from_mask(graph: Graph, mask: np.ndarray) -> Lattice:
    """The lattice of the arcs that a mask keeps.

    Args:
      graph: of A arcs.
      mask: bool [T, A], of whole paths, with T the length of the utterance.
    """
    time, arc = np.nonzero(mask)
    source = time * graph.num_states + graph.source[arc]
    target = (time + 1) * graph.num_states + graph.target[arc]
    states, ends = np.unique(np.stack([source, target]), return_inverse=True)
    ends = ends.reshape(2, -1)
    at, state = np.divmod(states, graph.num_states)
    unrolled = Graph(
        source=ends[0],
        target=ends[1],
        pdf=graph.pdf[arc],
        weight=graph.weight[arc],
        initial=np.where(at == 0, graph.initial[state], LOG_ZERO),
        final=np.where(at == len(mask), graph.final[state], LOG_ZERO),
        phone=graph.phone[arc],
        word=graph.word[arc],
    )
    return Lattice(unrolled, time)


def timed(graph: Graph) -> Lattice:
    """The lattice of an acyclic graph that `explore` returned.

    Raises:
      DataError: paths to a state differ in length.
    """
    times = np.zeros(graph.num_states, np.int32)
    for source, target in zip(graph.source, graph.target, strict=True):
        # States are numbered as they were reached: a source has its time by now.
        times[target] = times[source] + 1
    return Lattice(graph, times[graph.source])


def stack_lattices(
    lattices: Sequence[Lattice], num_frames: int, num_arcs: int = 0, num_states: int = 0
) -> Arcs:
    """Lattices as arcs of one frame each, so that a frame costs only its own arcs.

    Args:
      lattices: one of each utterance.
      num_frames: T, at least the frames of the longest.
      num_arcs: smallest number of arcs in a frame, for batches of one static shape.
      num_states: smallest number of states in a frame.

    Returns:
      NumPy arrays [B, T, A] and [B, I].
    """
    places = [_rank(lattice.state_times) for lattice in lattices]
    num_states = max(num_states, *(int(place.max()) + 1 for place in places))

    def arcs_of(name: str, fill: float = 0) -> np.ndarray:
        values = [getattr(lattice.graph, name) for lattice in lattices]
        if name in ("source", "target"):
            values = [place[v] for place, v in zip(places, values, strict=True)]
        return stack_values(lattices, values, num_frames, num_arcs, fill)

    def states_of(name: str) -> np.ndarray:
        stacked = np.full((len(lattices), num_states), LOG_ZERO, np.float32)
        for row, lattice, place in zip(stacked, lattices, places, strict=True):
            values = getattr(lattice.graph, name)
            used = values > LOG_ZERO / 2
            row[place[used]] = values[used]
        return stacked

    return Arcs(
        source=arcs_of("source"),
        target=arcs_of("target"),
        pdf=arcs_of("pdf"),
        weight=arcs_of("weight", LOG_ZERO),
        initial=states_of("initial"),
        final=states_of("final"),
        phone=arcs_of("phone"),
        word=arcs_of("word"),
    )


def stack_values(
    lattices: Sequence[Lattice],
    values: Sequence[np.ndarray],
    num_frames: int,
    num_arcs: int = 0,
    fill: float = 0,
) -> np.ndarray:
    """Values of the arcs of each lattice in the order of `stack_lattices`, [B, T, A].

    Args:
      lattices: one of each utterance.
      values: of each lattice, one of each arc.
      num_frames: T.
      num_arcs: smallest A.
      fill: what stands where there is no arc.
    """
    slots = [_rank(lattice.time) for lattice in lattices]
    num_arcs = max(num_arcs, *(int(slot.max()) + 1 for slot in slots))
    shape = (len(lattices), num_frames, num_arcs)
    stacked = np.full(shape, fill, values[0].dtype)
    for row, lattice, slot, value in zip(stacked, lattices, slots, values, strict=True):
        row[lattice.time, slot] = value
    return stacked


def phone_accuracy(
    lattice: Lattice, spans: Segments, reference: Segments
) -> np.ndarray:
    """Accuracy of MPE: how much each phone of a lattice overlaps what was said.

    With e the part of a reference phone z that a phone q covers, the accuracy of q is
    the largest of ``-1 + 2 e`` for z of the same phone and ``-1 + e`` for others (Povey
    and Woodland, ICASSP 2002). It counts in the first frame of q.

    Args:
      lattice: of A arcs.
      spans: of each arc, the phone it is a part of.
      reference: the phones that were said, at least one.

    Returns:
      float32 [A].
    """
    start = np.maximum(spans.start[:, None], reference.start)
    end = np.minimum(spans.end[:, None], reference.end)
    covered = np.maximum(end - start, 0) / (reference.end - reference.start)
    same = spans.phone[:, None] == reference.phone
    accuracy = np.max(-1 + np.where(same, 2, 1) * covered, axis=1)
    return np.where(lattice.time == spans.start, accuracy, 0).astype(np.float32)


def _rank(groups: np.ndarray) -> np.ndarray:
    """Number of each element among those of its group, in their order."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], groups[order])
    rank = np.empty(len(groups), np.int32)
    rank[order] = np.arange(len(groups)) - starts
    return rank
