"""Numerators: what was said, with the weights that the denominator gives it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.grammar import Arc
from tfmodels.lattices.grammar import Deterministic
from tfmodels.lattices.grammar import Grammar
from tfmodels.lattices.grammar import Intersection
from tfmodels.lattices.grammar import Linear
from tfmodels.lattices.grammar import Unweighted
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.language_model import from_bigram
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import Pronounced


def spoken_words(
    words: Sequence[int], model: Deterministic, lexicon: Lexicon, silence_prob: float
) -> Grammar:
    """The phones of a transcript, weighted as in a loop of words.

    Composed like ``Pronounced(model, lexicon, silence_prob)``, every path of it is a
    path of that graph, with the same weight, so that its sum is never the larger one.

    Args:
      words: what was said.
      model: the language model of the denominator.
      lexicon: pronunciations; all variants count.
      silence_prob: probability of silence before, between and after words.
    """
    return Pronounced(Intersection(Linear(words), model), lexicon, silence_prob)


def spoken_phones(
    words: Sequence[int], model: Deterministic, lexicon: Lexicon
) -> Grammar:
    """The phones of a transcript, weighted by a model of phones.

    Each sequence of phones counts once, as it does in the denominator. Those that the
    model does not allow are left out.

    Args:
      words: what was said.
      model: the phone model of the denominator.
      lexicon: pronunciations; all variants and silences count.
    """
    # Any probability: only whether there may be silence is used.
    phones = Unweighted(Pronounced(Linear(words), lexicon, silence_prob=0.5))
    return Intersection(phones, model)


class _Free:
    """The paths of a grammar, each of weight 1."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self.start = grammar.start

    def arcs(self, state: Any) -> Sequence[Arc]:
        return [arc._replace(weight=0.0) for arc in self._grammar.arcs(state)]

    def final(self, state: Any) -> float:
        return 0.0 if self._grammar.final(state) > LOG_ZERO else LOG_ZERO


def all_spoken_phones(
    model: Deterministic, lexicon: Lexicon, has_silence: bool
) -> Grammar:
    """The phones of all transcripts, weighted by a model of phones.

    The paths of one transcript are those of `spoken_phones`, with their words:
    `tfmodels.lattices.transcript.transcripts` picks them in a step. Where phones fall
    into variants of a transcript's words in several ways, each of them counts.

    Args:
      model: the phone model of the denominator.
      lexicon: pronunciations; all variants count.
      has_silence: whether there may be silence before, between and after words.
    """
    loop = from_bigram(np.ones((1, len(lexicon.words) - 1)))
    spoken = Pronounced(loop, lexicon, 0.5 if has_silence else 0.0)
    return Intersection(_Free(spoken), model)


def alignment_graph(pdf: np.ndarray, phone: np.ndarray) -> Graph:
    """One path of weight 1: a fixed alignment.

    Its sum is a score without weights of words and transitions. Where it is compared
    with a denominator, use `path_graph`.

    Args:
      pdf: int32 [T], output of the acoustic model in each frame.
      phone: int32 [T], phone of each frame.
    """
    return _line(pdf, np.zeros(len(pdf)), phone, np.zeros(len(pdf)), 0.0, 0.0)


def path_graph(graph: Graph, arcs: np.ndarray) -> Graph:
    """One path of a graph, with its weights: an alignment that is a sub-graph.

    Args:
      graph: where the path is from.
      arcs: int32 [T], arc of each frame.

    Raises:
      DataError: the arcs are not a path from an initial to a final state.
    """
    arcs = np.asarray(arcs, np.int32)
    outside = not arcs.size or arcs.min() < 0 or arcs.max() >= graph.num_arcs
    if outside or np.any(graph.target[arcs[:-1]] != graph.source[arcs[1:]]):
        raise _no_path(arcs)
    initial = float(graph.initial[graph.source[arcs[0]]])
    final = float(graph.final[graph.target[arcs[-1]]])
    if min(initial, final) <= LOG_ZERO / 2:
        raise _no_path(arcs)
    pdf, weight, phone, word = (
        column[arcs] for column in (graph.pdf, graph.weight, graph.phone, graph.word)
    )
    return _line(pdf, weight, phone, word, initial, final)


def _line(
    pdf: Any, weight: Any, phone: Any, word: Any, start: float, end: float
) -> Graph:
    size = len(pdf)
    initial, final = np.full((2, size + 1), LOG_ZERO)
    initial[0], final[-1] = start, end
    states = np.arange(size + 1)
    return Graph(states[:-1], states[1:], pdf, weight, initial, final, phone, word)


def _no_path(arcs: np.ndarray) -> DataError:
    return DataError(
        "An alignment is not a path of its graph. Expected arcs that follow one another"
        f" from an initial to a final state; received {arcs.tolist()[:20]}."
    )
