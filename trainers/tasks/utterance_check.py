"""Looks at every utterance of an experiment's data, before training does."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.lattices.forward_backward import log_partition
from tfmodels.lattices.pruning import restricted
from tfmodels.lattices.transcript import transcripts
from tfmodels.lattices.trellis import is_possible
from trainers.data.utterances.stored import DENOMINATOR
from trainers.data.utterances.stored import NUMERATOR
from trainers.data.utterances.stored import lattices_in
from trainers.interfaces import Batch
from trainers.tasks.acoustic_modeling import AcousticModeling

_REASONS = {
    "said": (
        "what was said has no path: it is too short for its words, or the language"
        " model does not allow them"
    ),
    "aligned": (
        "its alignment is no path of the graph: its words, or the states and the"
        " topology of section task, are others"
    ),
    DENOMINATOR: "its lattice has no path of its length",
    NUMERATOR: "its lattice lost what was said",
}


class Unusable(NamedTuple):
    """An utterance from which nothing can be learned."""

    name: str
    reason: str


class UtteranceReport(NamedTuple):
    """What is in a split."""

    utterances: int
    frames: int
    words: int
    unusable: list[Unusable]


class UtteranceCheck:
    """Asks of each utterance of an experiment whether there are paths that say it."""

    def __init__(self, task: AcousticModeling) -> None:
        """Takes the task, whose graphs are asked."""
        self._task = task
        self._possible = tf.function(
            functools.partial(_possible, task), autograph=False, jit_compile=True
        )

    def __call__(self, split: str, progress: Callable[[int], None]) -> UtteranceReport:
        """Looks through a split.

        Args:
          split: which utterances.
          progress: called with the number of utterances read since the last call.
        """
        utterances, frames, words = 0, 0, 0
        unusable = []
        for batch in self._task.single_pass(split):
            known = {k: v for k, v in batch.items() if k != "features"}
            answers = {k: v.numpy() for k, v in self._possible(known).items()}
            exists = batch["weight"].numpy()[:, 0] > 0
            for row in np.flatnonzero(exists):
                wrong = [
                    name for name, possible in answers.items() if not possible[row]
                ]
                if wrong:
                    name = self._task.name(split, int(batch["index"][row]))
                    unusable.append(Unusable(name, _REASONS[wrong[0]]))
            utterances += int(exists.sum())
            frames += int(batch["lengths"].numpy()[exists].sum())
            words += int(np.count_nonzero(batch["words"].numpy()[exists]))
            progress(len(exists))
        return UtteranceReport(utterances, frames, words, unusable)


def _possible(task: AcousticModeling, batch: Batch) -> dict[str, tf.Tensor]:
    """Whether each utterance has paths of each kind, bool [B]."""
    lengths, frames = batch["num_scored"], batch["weight"].shape[1]
    outputs = task.hybrid.tying.num_pdfs
    scores = tf.zeros([batch["weight"].shape[0], frames, outputs])
    graph, spoken = task.hybrid.denominator, task.hybrid.numerator
    words = graph if spoken is None else spoken
    arcs, addend = transcripts(words, batch["words"], frames)
    sums = {"said": log_partition(scores, lengths, arcs, addend=addend)}
    if "label" in batch and spoken is None:
        only = restricted(scores, batch["label"])
        sums["aligned"] = log_partition(only, lengths, graph)
    for name in (DENOMINATOR, NUMERATOR):
        if name in task.stored:
            sums[name] = log_partition(scores, lengths, lattices_in(batch, name))
    return {name: is_possible(value) for name, value in sums.items()}
