"""Graphs as the text of OpenFst: ``source target input output cost``."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from trainers.data.kaldi.lines import Line
from trainers.data.kaldi.lines import filled_lines
from trainers.data.kaldi.lines import write_lines


def read_graph(path: Path, phone_of_pdf: np.ndarray) -> Graph:
    """A graph whose input labels are pdfs plus one, as those of Kaldi's chain models.

    Costs are negative logs and 0 where they are left out. The source of the first arc
    is the start. Output labels are words.

    Args:
      path: the file.
      phone_of_pdf: int32 [P], as `Tying.phone_of_pdf` gives it.

    Raises:
      DataError: a line is damaged, an arc takes no frame, or a pdf has no phone.
    """
    arcs: list[list[int]] = []
    weights: list[float] = []
    finals: dict[int, float] = {}
    for line in filled_lines(path):
        fields = line.fields
        if len(fields) > 5 or len(fields) == 3:
            raise line.error("source, target, input, output [, cost] or state [, cost]")
        if len(fields) <= 2:
            (state,) = line.integers(fields[:1])
            finals[state] = _weight(line, fields[1:])
            continue
        arcs.append(line.integers(fields[:4]))
        weights.append(_weight(line, fields[4:]))
        if not 1 <= arcs[-1][2] <= len(phone_of_pdf):
            raise line.error(f"an input label from 1 to {len(phone_of_pdf)}")
    if not arcs or not finals:
        raise DataError(
            f"{path} holds no graph. Expected arcs and a final state; received"
            f" {len(arcs)} arcs and {len(finals)} final states."
        )
    columns = np.array(arcs).T
    states = [0.0] * (1 + max(columns[:2].max(), *finals))
    initial, final = np.full((2, len(states)), LOG_ZERO)
    initial[columns[0, 0]] = 0
    final[list(finals)] = list(finals.values())
    pdf = columns[2] - 1
    return Graph(
        source=columns[0],
        target=columns[1],
        pdf=pdf,
        weight=np.array(weights),
        initial=initial,
        final=final,
        phone=np.asarray(phone_of_pdf)[pdf],
        word=columns[3],
    )


def write_graph(path: Path, graph: Graph) -> None:
    """Writes a graph; `read_graph` gives the same paths and weights back.

    OpenFst has one start, of weight 1. A graph that has others gets a new state with
    copies of the arcs that leave them.
    """
    write_lines(path, _lines(_with_one_start(graph)))


def _lines(graph: Graph) -> Iterator[str]:
    start = int(np.argmax(graph.initial))
    # Whatever the first arc leaves is the start.
    for arc in np.argsort(graph.source != start, kind="stable"):
        yield (
            f"{graph.source[arc]} {graph.target[arc]} {graph.pdf[arc] + 1}"
            f" {graph.word[arc]} {-graph.weight[arc]:.9g}"
        )
    for state in np.flatnonzero(graph.final > LOG_ZERO / 2):
        yield f"{state} {-graph.final[state]:.9g}"


def _with_one_start(graph: Graph) -> Graph:
    starts = np.flatnonzero(graph.initial > LOG_ZERO / 2)
    if len(starts) == 1 and graph.initial[starts[0]] == 0:
        return graph
    copied = np.flatnonzero(np.isin(graph.source, starts))
    start = graph.num_states
    initial = np.full(start + 1, LOG_ZERO)
    initial[start] = 0
    empty = np.logaddexp.reduce(graph.initial[starts] + graph.final[starts])
    return Graph(
        source=np.append(graph.source, np.full(len(copied), start)),
        target=np.append(graph.target, graph.target[copied]),
        pdf=np.append(graph.pdf, graph.pdf[copied]),
        weight=np.append(
            graph.weight, graph.weight[copied] + graph.initial[graph.source[copied]]
        ),
        initial=initial,
        final=np.append(graph.final, max(empty, LOG_ZERO)),
        phone=np.append(graph.phone, graph.phone[copied]),
        word=np.append(graph.word, graph.word[copied]),
    )


def _weight(line: Line, fields: list[str]) -> float:
    cost = line.numbers(fields)[0] if fields else 0.0
    if not -LOG_ZERO > cost > LOG_ZERO:
        raise line.error("a finite cost")
    return -cost
