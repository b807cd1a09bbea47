"""Toy graphs and sums over their paths, one path after another, in float64."""

import itertools
from typing import NamedTuple

import numpy as np

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph

# The toy T3 of the specification: three states that are three outputs.
INITIAL = np.array([0.5, 0.3, 0.2])
TRANSITIONS = np.array([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.3, 0.2, 0.5]])
SCORES = np.array([[[1, 0, -1], [0.2, 0.4, 0], [-0.5, 0.5, 0.1]]])
REFERENCE = np.array([[0, 0, 1]])
PHONES = np.array([0, 0, 1])
LENGTHS = np.array([3])


def t3() -> Graph:
    """T3; state 3 is the start, so that the first frame emits with `INITIAL`."""
    weights = np.concatenate([INITIAL, TRANSITIONS.ravel()])
    target = np.tile(np.arange(3), 4)
    return Graph(
        source=np.concatenate([[3, 3, 3], np.repeat(np.arange(3), 3)]),
        target=target,
        pdf=target,
        weight=np.log(weights),
        initial=np.array([LOG_ZERO, LOG_ZERO, LOG_ZERO, 0]),
        final=np.array([0, 0, 0, LOG_ZERO]),
        phone=PHONES[target],
        word=np.zeros(12),
    )


def random_graph(seed: int, num_states: int, num_arcs: int, num_pdfs: int) -> Graph:
    """A graph whose arcs, weights, and first and last states are drawn."""
    random = np.random.RandomState(seed)
    pdf = random.randint(num_pdfs, size=num_arcs)
    ends = random.randn(2, num_states)
    ends[random.rand(2, num_states) < 0.4] = LOG_ZERO
    ends[:, 0] = 0
    return Graph(
        source=random.randint(num_states, size=num_arcs),
        target=random.randint(num_states, size=num_arcs),
        pdf=pdf,
        weight=random.randn(num_arcs),
        initial=ends[0],
        final=ends[1],
        phone=pdf // 2,
        word=random.randint(3, size=num_arcs),
    )


class Paths(NamedTuple):
    """All paths of one utterance through a graph."""

    arcs: np.ndarray
    """[paths, frames]."""
    weights: np.ndarray
    """[paths], log."""

    @property
    def log_z(self) -> float:
        return float(np.logaddexp.reduce(self.weights, initial=LOG_ZERO))

    @property
    def posteriors(self) -> np.ndarray:
        return np.exp(self.weights - self.log_z)


def enumerate_paths(
    graph: Graph, scores: np.ndarray, mask: np.ndarray | None = None
) -> Paths:
    """Every path of as many arcs as `scores` [T, P] has frames.

    `mask` is bool [T, A].
    """
    found, weights = [], []
    for path in itertools.product(range(graph.num_arcs), repeat=len(scores)):
        arcs = np.array(path)
        joined = np.all(graph.target[arcs[:-1]] == graph.source[arcs[1:]])
        kept = mask is None or np.all(mask[np.arange(len(arcs)), arcs])
        weight = (
            graph.initial[graph.source[arcs[0]]].astype(float)
            + graph.weight[arcs].astype(float).sum()
            + scores[np.arange(len(arcs)), graph.pdf[arcs]].sum()
            + graph.final[graph.target[arcs[-1]]]
        )
        if joined and kept and weight > LOG_ZERO / 2:
            found.append(arcs)
            weights.append(weight)
    shape = (len(found), len(scores))
    return Paths(np.array(found, int).reshape(shape), np.array(weights))


def occupancy(paths: Paths, graph: Graph, num_pdfs: int) -> np.ndarray:
    """Posterior of each output in each frame, [T, P]."""
    gamma = np.zeros((paths.arcs.shape[1], num_pdfs))
    for arcs, posterior in zip(paths.arcs, paths.posteriors, strict=True):
        gamma[np.arange(len(arcs)), graph.pdf[arcs]] += posterior
    return gamma
