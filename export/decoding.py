"""Words from scores, in NumPy alone: what a device needs beside its network."""

import json
import math
from dataclasses import dataclass
from dataclasses import fields

import numpy as np

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph


@dataclass(frozen=True, eq=False)
class Recogniser:
    """What turns an acoustic model's outputs into words."""

    words: tuple[str, ...]
    """Name of each word; number 0 is none."""
    phones: tuple[str, ...]
    """Name of each phone; number 0 is none."""
    phone_of_pdf: np.ndarray
    """int32 [P], phone of each output of the model."""
    prior: np.ndarray
    """float32 [P], log, what is taken off log posteriors to make likelihoods."""
    acoustic_scale: float
    """Factor of log likelihoods, that of the graph's weights being 1."""
    graph: Graph
    """All that can be said."""

    def dump(self) -> str:
        """The text that `parse` reads, JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        graph = {f.name: getattr(self.graph, f.name).tolist() for f in fields(Graph)}
        plain = {
            "phone_of_pdf": self.phone_of_pdf.tolist(),
            "prior": self.prior.tolist(),
            "graph": graph,
        }
        return json.dumps({**values, **plain}) + "\n"

    @classmethod
    def parse(cls, text: str) -> "Recogniser":
        """The recogniser of which `dump` made a text.

        Raises:
          DataError: the graph is none.
        """
        values = json.loads(text)
        return cls(
            tuple(values["words"]),
            tuple(values["phones"]),
            np.array(values["phone_of_pdf"], np.int32),
            np.array(values["prior"], np.float32),
            values["acoustic_scale"],
            Graph(**{name: np.array(a) for name, a in values["graph"].items()}),
        )

    def log_likelihoods(self, scores: np.ndarray) -> np.ndarray:
        """``log p(k given x) - prior`` of scores that lack a constant of each frame.

        Args:
          scores: float32 [..., P], logits of the outputs, less the prior.
        """
        return self.log_posteriors(scores) - self.prior

    def log_posteriors(self, scores: np.ndarray) -> np.ndarray:
        """``log p(k given x)``, float32 [..., P]; see `log_likelihoods`."""
        logits = scores + self.prior
        logits = logits - logits.max(axis=-1, keepdims=True)
        total = np.exp(logits).sum(axis=-1, keepdims=True)
        posteriors: np.ndarray = logits - np.log(total)
        return posteriors

    def recognise(self, log_likelihoods: np.ndarray, beam: float = math.inf) -> str:
        """The words of the best path, with spaces between; none where none fits.

        Args:
          log_likelihoods: float32 [T, P]; a constant of a frame changes nothing.
          beam: see `best_path`.
        """
        scores = np.float32(self.acoustic_scale) * log_likelihoods
        words = self.graph.word[best_path(scores, self.graph, beam)]
        return " ".join(self.words[word] for word in words if word)


def best_path(scores: np.ndarray, graph: Graph, beam: float = math.inf) -> np.ndarray:
    """The path of largest weight; of equals, that whose last states and arcs are first.

    Args:
      scores: float32 [T, P], log.
      graph: what paths there are.
      beam: states whose best path is worse than the frame's best by more than this are
        given up. With a beam the path found may be worse, or none.

    Returns:
      int32 [T], the arc of each frame; empty where no path fits.
    """
    order = np.argsort(graph.target, kind="stable")
    source, target = graph.source[order], graph.target[order]
    weight, pdf = graph.weight[order], graph.pdf[order]
    alpha = graph.initial
    into = []
    for frame in scores:
        alive = alpha >= max(alpha.max() - beam, LOG_ZERO / 2)
        arcs = np.flatnonzero(alive[source])
        if not arcs.size:
            return np.zeros(0, np.int32)
        values = alpha[source[arcs]] + (weight[arcs] + frame[pdf[arcs]])
        states, starts = np.unique(target[arcs], return_index=True)
        best = np.maximum.reduceat(values, starts)
        equal = values == np.repeat(best, np.diff(starts, append=len(arcs)))
        # The first of the best: its number is the smallest.
        first = np.flatnonzero(equal)
        first = first[np.searchsorted(first, starts)]
        alpha = np.full_like(graph.initial, LOG_ZERO)
        alpha[states] = best
        into.append(np.full(graph.num_states, -1, np.int32))
        into[-1][states] = order[arcs[first]]
    whole = alpha + graph.final
    state = int(np.argmax(whole))
    if whole[state] <= LOG_ZERO / 2:
        return np.zeros(0, np.int32)
    path = np.zeros(len(into), np.int32)
    for place in reversed(range(len(into))):
        path[place] = into[place][state]
        state = graph.source[path[place]]
    return path
