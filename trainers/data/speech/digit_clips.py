"""Recordings of single digits in English and Arabic, by split, speaker and variety."""

import csv
import itertools
import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfmodels.errors import DataError
from trainers.data.speech.config import ConnectedDigitsData
from trainers.data.speech.front_end import FrontEnd
from trainers.data.speech.manifest import Utterance
from trainers.data.speech.recordings import trimmed

ENGLISH = (
    *("zero", "one", "two", "three", "four"),
    *("five", "six", "seven", "eight", "nine"),
)
ARABIC = (
    *("صفر", "واحد", "اثنان", "ثلاثة", "أربعة"),
    *("خمسة", "ستة", "سبعة", "ثمانية", "تسعة"),
)

# Numbers of the Free Spoken Digit Dataset's recordings: its own test split, ours.
_TEST, _VALIDATION = range(5), range(5, 8)
# Speakers of the Arabic training table, the last ones.
_VALIDATION_SPEAKERS = 3
_NAME = re.compile(r"(\d)_(.+)_(\d+)\.wav")
_COLUMNS = "file, digit and speaker, or file and class"
_SPEAKER = re.compile(r"(\d{8})_NO_\d{2}\.")


@dataclass(frozen=True)
class ClipFile:
    """A recording of one digit."""

    path: Path
    word: str
    speaker: str
    language: str
    accent: str
    split: str

    @property
    def utterance(self) -> Utterance:
        """What a manifest says of it."""
        return Utterance(
            utt=f"{self.path.parent.name}/{self.path.stem}",
            audio=str(self.path),
            text=self.word,
            split=self.split,
            lang=self.language,
            dialect=self.accent,
            speaker=self.speaker,
        )


@dataclass(frozen=True)
class Clips:
    """All recordings of a split, one after another."""

    files: tuple[ClipFile, ...]
    samples: np.ndarray
    """int16 [N], of all."""
    offsets: np.ndarray
    """int64 [n + 1]; recording i begins at offsets[i]."""


def list_clips(config: ConnectedDigitsData) -> list[ClipFile]:
    """Recordings of all splits.

    Raises:
      DataError: a folder has none, a speaker has no accent, a table is damaged, or a
        speaker is in two tables.
    """
    has_validation = config.validation_utterances is not None
    files: list[ClipFile] = []
    if config.english is not None:
        folder = Path(config.english)
        files += english_clips(folder, config.accents, has_validation)
    if config.arabic is not None:
        files += arabic_clips(Path(config.arabic), has_validation)
    for split in ("train", *config.held_out_splits()):
        if not any(file.split == split for file in files):
            raise DataError(
                f"no recordings of digits are for the split {split}. Expected numbers"
                " up to 4 and from 8 on of each speaker below data.english, or tables"
                f" of speakers below data.arabic. Received {len(files)} recordings."
            )
    return files


def read_clips(files: list[ClipFile], front_end: FrontEnd) -> Clips:
    """Reads recordings, at the configured rate and without quiet ends.

    Raises:
      DataError: one cannot be read.
    """
    parts = []
    for file in files:
        samples = trimmed(front_end.read(file.path), front_end.sample_rate)
        parts.append(np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16))
    offsets = np.cumsum([0, *map(len, parts)])
    return Clips(tuple(files), np.concatenate(parts), offsets)


def english_clips(
    folder: Path, accents: Mapping[str, str], has_validation: bool = False
) -> Iterator[ClipFile]:
    """Recordings of the Free Spoken Digit Dataset, in the order of their names.

    Raises:
      DataError: a speaker has no accent.
    """
    for path in sorted(folder.glob("*.wav")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        digit, speaker, number = int(match[1]), match[2], int(match[3])
        if speaker not in accents:
            raise DataError(
                f"the speaker {speaker} of {path} has no accent. Expected one of"
                f" {', '.join(sorted(accents))}. Received {speaker}; add it to"
                " data.accents."
            )
        split = "test" if number in _TEST else "train"
        if has_validation and number in _VALIDATION:
            split = "validation"
        yield ClipFile(path, ENGLISH[digit], speaker, "en", accents[speaker], split)


def arabic_clips(folder: Path, has_validation: bool = False) -> Iterator[ClipFile]:
    """Digits of the Arabic Speech Commands, in the order of their tables.

    With three tables they are the splits. Without ``test.csv``, the speakers of
    ``val.csv`` are the test split, and some of ``train.csv`` the validation split.

    Raises:
      DataError: a table is damaged, or a speaker is in two of them.
    """
    names = ["train", "val"]
    splits = {"train": "train", "val": "test"}
    if (folder / "test.csv").exists():
        names = ["train", "val", "test"]
        splits = {"train": "train", "val": "validation", "test": "test"}
    tables = {name: _table(folder / f"{name}.csv") for name in names}
    speakers = {name: {row[2] for row in rows} for name, rows in tables.items()}
    for one, other in itertools.combinations(names, 2):
        both = sorted(speakers[one] & speakers[other])
        if both:
            raise DataError(
                f"speakers are in two tables of {folder}. Expected other speakers in"
                f" {one}.csv than in {other}.csv. Received {', '.join(both)} in both."
            )
    apart: list[str] = []
    if has_validation and len(names) == 2:
        apart = sorted(speakers["train"])[-_VALIDATION_SPEAKERS:]
    for name, rows in tables.items():
        for file, digit, speaker in rows:
            split = "validation" if speaker in apart else splits[name]
            yield ClipFile(folder / file, ARABIC[digit], speaker, "ar", "ar", split)


def _table(path: Path) -> list[tuple[str, int, str]]:
    """File, digit and speaker of each row; words that are no digits are left out."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"cannot read the table {path}. Expected the columns {_COLUMNS}. Received:"
            f" {error}; correct data.arabic."
        ) from None
    found = []
    for number, row in enumerate(rows, 2):
        name, word, digit = row.get("file"), row.get("class"), row.get("digit")
        match = _SPEAKER.search(name or "")
        speaker = row.get("speaker") or (match and match[1])
        if word is not None:
            digit = str(ENGLISH.index(word)) if word in ENGLISH else None
            if digit is None:
                continue
        if not name or not speaker or digit not in set("0123456789"):
            raise DataError(
                f"line {number} of {path} is damaged. Expected the columns {_COLUMNS}."
                f" Received {list(row.values())}."
            )
        found.append((name, int(digit), speaker))
    return found
