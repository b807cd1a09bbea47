"""From Kaldi's folders to prepared utterances."""

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError
from trainers.data.kaldi.annotations import Alignment
from trainers.data.kaldi.annotations import lattice_features
from trainers.data.kaldi.folder import Utterance
from trainers.data.kaldi.lattices import KaldiLattice
from trainers.data.kaldi.lattices import read_lattices
from trainers.data.kaldi.source import LATTICES
from trainers.data.kaldi.source import SPLITS
from trainers.data.kaldi.source import Source
from trainers.data.kaldi.tree import Tree
from trainers.data.utterances import stored
from trainers.data.utterances.record_files import About
from trainers.data.utterances.record_files import Language
from trainers.data.utterances.record_files import Record
from trainers.data.utterances.record_files import SplitWriter
from trainers.data.utterances.record_files import clear
from trainers.data.utterances.record_files import write_about


class Problem(NamedTuple):
    """An utterance that cannot be used."""

    split: str
    utterance: str
    reason: str


def prepare(
    source: Source,
    output: Path,
    num_groups: int,
    tree: Tree | None = None,
    progress: Callable[[str], None] = lambda split: None,
) -> list[Problem]:
    """Writes the records of all utterances that can be used.

    Args:
      source: what `open_source` returned.
      output: a new folder, or one that this function wrote.
      num_groups: most groups of speakers; replicas can be as many.
      tree: states in place of the source's own.
      progress: called with the split after each utterance.

    Returns:
      The utterances that were left out.

    Raises:
      ConfigError: the folder holds something else.
      DataError: a table is damaged, states are not known, or a split is left without
        utterances.
    """
    tying = tree.tying if tree else source.tying()
    clear(output, SPLITS)
    problems: list[Problem] = []
    writers = [
        _write(source, output, s, num_groups, tree, problems, progress) for s in SPLITS
    ]
    for split, writer in zip(SPLITS, writers, strict=True):
        if not writer.sizes:
            reasons = [p.reason for p in problems if p.split == split]
            raise DataError(
                f"no utterance of {source.path / split} can be used. Expected at least"
                f" one; received {len(reasons)}. Of the first, {reasons[0]}"
            )
    phones = source.language.lexicon.phones
    names = (stored.DENOMINATOR, stored.NUMERATOR) if source.has_lattices else ()
    about = About(
        sample_rate=source.front_end.sample_rate,
        feature_dim=source.front_end.num_bins,
        silence=phones.names[phones.silence],
        silences=tuple(phones.names[phone] for phone in sorted(phones.silences)),
        max_frames=max(writer.max_frames for writer in writers),
        max_words=max(writer.max_words for writer in writers),
        sizes=dict(zip(SPLITS, (writer.sizes for writer in writers), strict=True)),
        is_aligned=source.has_alignments and not (tree and tree.is_chain),
        is_tied=tying is not None,
        has_accuracy=source.has_lattices and source.knows_phones,
        lattices={
            name: tuple(np.max([w.widths[name] for w in writers], axis=0).tolist())
            for name in names
        },
    )
    lexicon, grammar = source.language.lexicon, source.language.grammar
    write_about(output, about, Language(lexicon, grammar, tying))
    return problems


def _write(
    source: Source,
    output: Path,
    split: str,
    num_groups: int,
    tree: Tree | None,
    problems: list[Problem],
    progress: Callable[[str], None],
) -> SplitWriter:
    """Writes a split, and notes what cannot be used."""
    writer = SplitWriter(output, split, _groups(source.utterances[split], num_groups))
    alignments = source.alignments(split)
    left = {utterance.name: utterance for utterance in source.utterances[split]}

    def make(utterance: Utterance, lattice: KaldiLattice | None) -> None:
        progress(split)
        try:
            numbers = alignments.get(utterance.name)
            writer.write(_record(source, utterance, numbers, lattice, tree))
        except DataError as error:
            problems.append(Problem(split, utterance.name, str(error)))

    for lattice in _lattices(source, split):
        # Lattices of many hours do not fit into memory: their order decides.
        if lattice.utterance in left:
            make(left.pop(lattice.utterance), lattice)
    for utterance in left.values():
        make(utterance, None)
    return writer


def _lattices(source: Source, split: str) -> Iterator[KaldiLattice]:
    if source.has_lattices:
        yield from read_lattices(source.path / split / LATTICES)


def _record(
    source: Source,
    utterance: Utterance,
    numbers: np.ndarray | None,
    lattice: KaldiLattice | None,
    tree: Tree | None,
) -> Record:
    """One utterance.

    Raises:
      DataError: it cannot be used.
    """
    for has, found, name in (
        (source.has_alignments, numbers, "alignment"),
        (source.has_lattices, lattice, "lattice"),
    ):
        if has and found is None:
            raise DataError(f"it has no {name}. Expected one, as others have.")
    words = source.language.lexicon.encode(utterance.words)
    if not words:
        raise DataError("nothing is said. Expected at least one word in text.")
    features = source.features(utterance)
    alignment: Alignment | None = None
    if numbers is not None:
        alignment = source.alignment(numbers, len(features))
    pdfs = alignment.pdf if alignment else None
    if tree and alignment:
        pdfs = tree.relabelled(alignment)
    lattices = {}
    if lattice is not None:
        phones = alignment.phones if alignment else None
        lattices = lattice_features(
            lattice, source.language, words, len(features), phones
        )
    return Record(utterance.name, utterance.speaker, features, words, pdfs, lattices)


def _groups(utterances: tuple[Utterance, ...], most: int) -> dict[str, int]:
    """A group for each speaker, such that all groups say about as much."""
    counts: dict[str, int] = {}
    for utterance in utterances:
        counts[utterance.speaker] = counts.get(utterance.speaker, 0) + 1
    sizes = [0] * min(most, len(counts))
    groups = {}
    for speaker in sorted(counts, key=lambda speaker: (-counts[speaker], speaker)):
        groups[speaker] = sizes.index(min(sizes))
        sizes[groups[speaker]] += counts[speaker]
    return groups
