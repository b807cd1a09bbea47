"""Alignments and lattices of single utterances, as records hold them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.splitting import segments
from tfmodels.lattices.splitting import spoken
from tfmodels.lattices.splitting import with_spans
from tfmodels.lattices.stored import Lattice
from tfmodels.lattices.stored import Segments
from tfmodels.lattices.stored import phone_accuracy
from trainers.data.kaldi.language import SourceLanguage
from trainers.data.kaldi.lattices import KaldiLattice
from trainers.data.kaldi.rescoring import stored_lattice
from trainers.data.kaldi.states import Transitions
from trainers.data.utterances import stored


class Alignment(NamedTuple):
    """Which state each frame is of."""

    pdf: np.ndarray
    """int32 [T]."""
    phones: Segments | None
    """None where the numbers were pdfs: these do not tell phones."""
    pdf_class: np.ndarray | None
    """int32 [T], which of its phone's pdfs it is; None likewise."""


def read_alignment(
    numbers: np.ndarray, num_frames: int, transitions: Transitions | None
) -> Alignment:
    """An alignment as `read_alignments` yields it: transition ids, or else pdfs.

    Raises:
      DataError: it is of another length, or of another model.
    """
    if len(numbers) != num_frames:
        raise DataError(
            f"its alignment is of another length. Expected {num_frames} frames;"
            f" received {len(numbers)}."
        )
    if transitions is None:
        return Alignment(numbers, None, None)
    if numbers.min() < 1 or numbers.max() >= len(transitions.pdf):
        raise DataError(
            "its alignment is of another model. Expected transition ids from 1 to"
            f" {len(transitions.pdf) - 1}; received up to {numbers.max()}."
        )
    classes = transitions.pdf_class[numbers]
    phones = segments(transitions.phone[numbers], classes)
    return Alignment(transitions.pdf[numbers], phones, classes)


def lattice_features(
    lattice: KaldiLattice,
    language: SourceLanguage,
    words: Sequence[int],
    num_frames: int,
    phones: Segments | None,
) -> dict[str, np.ndarray]:
    """The arrays of what a decoder kept, and of the part that says what was said.

    Args:
      lattice: as it was stored.
      language: with the transitions of the model that made it.
      words: what was said, as numbers of the lexicon.
      num_frames: frames of the utterance.
      phones: what was said, for the accuracies of MPE; without them there are none.

    Raises:
      DataError: the lattice is of another model or length, or lost what was said.
    """
    if language.transitions is None or not language.word_names:
        raise DataError(
            "its lattice cannot be read. Expected transitions.txt and words.txt, of the"
            " model and the graph that made it; received no such file."
        )
    kept = stored_lattice(lattice, language.transitions)
    if kept.num_frames != num_frames:
        raise DataError(
            f"its lattice is of another length. Expected {num_frames} frames; received"
            f" {kept.num_frames}."
        )
    kept = _with_words(kept, language)
    try:
        said = spoken(kept, words)
    except DataError:
        raise DataError(
            "its lattice lost what was said. Expected a path with the words of the"
            " transcript; received none. A wider beam would keep them."
        ) from None
    accuracy = None
    if phones is not None:
        kept, spans = with_spans(kept, language.transitions.class_of_pdf())
        accuracy = phone_accuracy(kept, spans, phones)
    return {
        **stored.to_features(stored.DENOMINATOR, kept, accuracy),
        **stored.to_features(stored.NUMERATOR, said),
    }


def _with_words(lattice: Lattice, language: SourceLanguage) -> Lattice:
    """The lattice with the lexicon's numbers of words."""
    names, index, graph = language.word_names, language.lexicon.index, lattice.graph
    numbers = np.zeros(1 + int(graph.word.max()), np.int32)
    for word in set(graph.word.tolist()) - {0}:
        name = names[word] if word < len(names) else str(word)
        if name not in index:
            raise DataError(
                "its lattice has a word that the lexicon has not. Expected words of"
                f" lexicon.txt; received {name}, number {word}."
            )
        numbers[word] = index[name]
    fields = {name: getattr(graph, name) for name in Graph.__dataclass_fields__}
    return Lattice(Graph(**{**fields, "word": numbers[graph.word]}), lattice.time)
