"""Tied states of one's own: a decision tree grown from alignments of any model."""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.decision_tree import Key
from tfmodels.lattices.decision_tree import collect
from tfmodels.lattices.decision_tree import grow
from tfmodels.lattices.topology import Topology
from tfmodels.lattices.topology import chain
from tfmodels.lattices.topology import of_size
from tfmodels.lattices.tying import Tying
from trainers.data.kaldi.annotations import Alignment
from trainers.data.kaldi.source import Source


@dataclass(frozen=True, eq=False)
class Tree:
    """States that depend on neighbours as far as it pays."""

    tying: Tying
    is_chain: bool
    """Whether phones have one state, whose first frame differs from the others: then
    alignments at the full frame rate are of no use."""

    def relabelled(self, alignment: Alignment) -> np.ndarray | None:
        """The tree's pdf of each frame, int32 [T]; None for chain models.

        Raises:
          DataError: the alignment does not tell phones.
        """
        if self.is_chain:
            return None
        pdfs = [self.tying.table[key] for key in _keys(alignment, is_chain=False)]
        return np.array(pdfs, np.int32)


def grow_tree(
    source: Source,
    num_leaves: int,
    is_chain: bool,
    progress: Callable[[str], None] = lambda split: None,
) -> Tree:
    """Grows a decision tree on the training split.

    Its questions are the classes of ``phone_classes.txt``, and each phone by itself.
    Silences are not split.

    Args:
      source: with alignments and ``transitions.txt``.
      num_leaves: most pdfs.
      is_chain: see `Tree`.
      progress: called with the split after each utterance.

    Raises:
      ConfigError: there are too few leaves, or nothing to grow from; or lattices, whose
        states would no longer be those of the model.
      DataError: a table is damaged.
    """
    if not source.knows_phones or source.has_lattices:
        raise ConfigError(
            "a tree cannot be grown. Expected alignments with transitions.txt, and no"
            " lattices, as these have states of their own; received"
            f" {'lattices' if source.has_lattices else 'no such alignments'}. Leave"
            " --leaves out."
        )
    phones = source.language.lexicon.phones
    moments = collect(_examples(source, is_chain, progress))
    sizes: dict[int, int] = {}
    for key in moments:
        sizes[key.phone] = max(sizes.get(key.phone, 1), 1 + key.pdf_class)
    usual = max(sizes.values(), key=list(sizes.values()).count, default=1)
    topologies: dict[int, Topology] = {}
    for phone in phones.index.values():
        size = sizes.get(phone, usual)
        topologies[phone] = chain() if is_chain else of_size(size, usual)
    alone = (frozenset([phone]) for phone in phones.index.values())
    questions = [*phones.classes.values(), *alone]
    silent = phones.silences
    tying = grow(moments, topologies, questions, num_leaves, independent=silent)
    return Tree(tying, is_chain)


def _examples(
    source: Source, is_chain: bool, progress: Callable[[str], None]
) -> Iterator[tuple[np.ndarray, list[Key]]]:
    alignments = source.alignments("train")
    for utterance in source.utterances["train"]:
        progress("train")
        try:
            features = source.features(utterance)
            numbers = alignments[utterance.name]
            keys = _keys(source.alignment(numbers, len(features)), is_chain)
        except (DataError, KeyError):
            continue  # it will be left out, and then it is said why
        yield features, keys


def _keys(alignment: Alignment, is_chain: bool) -> list[Key]:
    """State of each frame in its context."""
    phones, classes = alignment.phones, alignment.pdf_class
    if phones is None or classes is None:
        raise DataError("its alignment does not tell phones. Expected transition ids.")
    around = [0, *phones.phone.tolist(), 0]
    keys = []
    for place, (start, end) in enumerate(zip(phones.start, phones.end, strict=True)):
        left, phone, right = around[place : place + 3]
        for frame in range(start, end):
            pdf_class = int(frame > start) if is_chain else int(classes[frame])
            keys.append(Key(left, phone, right, pdf_class))
    return keys
