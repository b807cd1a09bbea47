"""A folder to prepare: Kaldi's data folders, and the language beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.tying import Tying
from trainers.data.kaldi.annotations import Alignment
from trainers.data.kaldi.annotations import read_alignment
from trainers.data.kaldi.folder import Utterance
from trainers.data.kaldi.folder import read_folder
from trainers.data.kaldi.language import SourceLanguage
from trainers.data.kaldi.language import read_language
from trainers.data.kaldi.tables import read_alignments
from trainers.data.utterances.sound import FrontEnd
from trainers.data.utterances.sound import sample_rate_of

SPLITS = ("train", "test")
ALIGNMENTS, LATTICES = "alignments.txt", "lattices.txt"


@dataclass(frozen=True)
class Source:
    """Data folders ``train`` and ``test`` with what belongs to them."""

    path: Path
    utterances: dict[str, tuple[Utterance, ...]]
    """By split."""
    language: SourceLanguage
    front_end: FrontEnd
    has_alignments: bool
    has_lattices: bool

    @property
    def knows_phones(self) -> bool:
        """Whether alignments tell which phone each frame is of."""
        return self.has_alignments and self.language.transitions is not None

    def tying(self) -> Tying | None:
        """The states of alignments and lattices; None if nothing tells of states.

        Raises:
          DataError: there are alignments or lattices, and nothing tells.
        """
        language = self.language
        if language.tying is not None:
            return language.tying
        if not self.has_alignments and not self.has_lattices:
            return None
        if language.transitions is None:
            raise DataError(
                f"the states of {self.path} are not known. Expected tying.txt with"
                " pdfs in context, or transitions.txt; received alignments or lattices"
                " without."
            )
        return language.transitions.monophone()

    def alignments(self, split: str) -> dict[str, np.ndarray]:
        """The numbers that each utterance of a split is aligned to.

        Raises:
          DataError: the file is damaged.
        """
        if not self.has_alignments:
            return {}
        return dict(read_alignments(self.path / split / ALIGNMENTS))

    def alignment(self, numbers: np.ndarray, num_frames: int) -> Alignment:
        """What the numbers of an alignment mean.

        Raises:
          DataError: they are of another length or another model.
        """
        return read_alignment(numbers, num_frames, self.language.transitions)

    def features(self, utterance: Utterance) -> np.ndarray:
        """The frames of an utterance, float32 [T, D].

        Raises:
          DataError: its recording is missing, damaged, of another kind or too short.
        """
        return self.front_end.read(self.path / utterance.audio, utterance.span)


def open_source(path: Path, num_bins: int) -> Source:
    """Reads the tables of a folder to prepare.

    Args:
      path: folder with ``train`` and ``test``, data folders of Kaldi, each of which may
        hold ``alignments.txt`` and ``lattices.txt``; and the files of `read_language`.
        Recordings that are not absolute start there.
      num_bins: mel bands of the features.

    Raises:
      DataError: a file is missing or damaged.
    """
    utterances = {split: read_folder(path / split) for split in SPLITS}
    rate = _rate(path, utterances["train"])
    return Source(
        path=path,
        utterances=utterances,
        language=read_language(path, utterances["train"]),
        front_end=FrontEnd(rate, num_bins),
        has_alignments=_in_all(path, ALIGNMENTS),
        has_lattices=_in_all(path, LATTICES),
    )


def _rate(path: Path, utterances: tuple[Utterance, ...]) -> int:
    """Samples a second of the first recording that there is."""
    found = [u for u in utterances if (path / u.audio).is_file()]
    if not found:
        raise DataError(
            f"no recording of {path / 'train'} is there. Expected the files that"
            f" wav.scp names; received {len(utterances)} utterances without."
        )
    return sample_rate_of(path / found[0].audio)


def _in_all(path: Path, file: str) -> bool:
    """Whether all splits have a file, rather than none."""
    found = [split for split in SPLITS if (path / split / file).is_file()]
    if len(found) == 1:
        raise DataError(
            f"{path} has {file} for {found[0]} only. Expected one in each of"
            f" {', '.join(SPLITS)}, or in none; received one."
        )
    return bool(found)
