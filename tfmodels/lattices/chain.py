"""Weights of beginning and ending anywhere, for lattice-free training on chunks."""

import dataclasses

import numpy as np

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph

_NUM_STEPS = 100


def chain_denominator(graph: Graph) -> Graph:
    """A denominator for pieces of utterances: they begin where speech may be.

    The initial weights are the mean of the distributions over states after 0 to 99
    steps from the start, each made to add up to 1. All final weights are 1 (as Kaldi
    has it; Povey et al., Interspeech 2016, section 2.3).

    Args:
      graph: what `compose` returned for a model of phones.
    """
    weight = np.exp(graph.weight.astype(np.float64))
    final = np.exp(graph.final.astype(np.float64))
    leaving = final + np.bincount(graph.source, weight, graph.num_states)
    share = weight / leaving[graph.source]
    now = np.exp(graph.initial.astype(np.float64))
    mean = np.zeros(graph.num_states)
    for _ in range(_NUM_STEPS):
        mean += now / _NUM_STEPS
        now = np.bincount(graph.target, now[graph.source] * share, graph.num_states)
        if not now.sum():  # every path was shorter
            break
        now = now / now.sum()
    initial = np.full(graph.num_states, LOG_ZERO)
    initial[mean > 0] = np.log(mean[mean > 0] / mean.sum())
    return dataclasses.replace(graph, initial=initial, final=np.zeros(graph.num_states))


def chain_numerator(graph: Graph, denominator: Graph) -> Graph:
    """The numerator of a whole utterance under `chain_denominator`.

    Args:
      graph: a numerator that `compose` returned, with the same model of phones.
      denominator: what `chain_denominator` returned.
    """
    start = denominator.initial[0]
    return dataclasses.replace(
        graph,
        initial=np.where(graph.initial > LOG_ZERO / 2, start, LOG_ZERO),
        final=np.where(graph.final > LOG_ZERO / 2, 0.0, LOG_ZERO),
    )
