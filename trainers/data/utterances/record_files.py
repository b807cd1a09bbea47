"""The folder that holds prepared utterances: a file for each, and what all share.

``<split>/<group>/<place>.record`` is a ``tf.train.Example``. So any machine reads any
utterance by its number, without a table of where they are. Beside are the lexicon, the
language model, the states, and ``utterances.json``.
"""

import shutil
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from tfmodels.config import Config
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.language_model import BackoffModel
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import PhoneSet
from tfmodels.lattices.tying import Tying
from trainers.data.kaldi.arpa import read_arpa
from trainers.data.kaldi.arpa import write_arpa
from trainers.data.kaldi.tables import read_lexicon
from trainers.data.kaldi.tables import read_symbols
from trainers.data.kaldi.tables import write_lexicon
from trainers.data.kaldi.tables import write_symbols
from trainers.data.utterances import stored

_ABOUT = "utterances.json"
_TYING = "tying.npy"


class About(Config):
    """What is known of all utterances of a folder; in ``utterances.json``."""

    version: Literal[1] = 1
    sample_rate: int
    """Samples a second of the recordings."""
    feature_dim: int
    """Mel bands."""
    silence: str
    """The phone that may stand between words."""
    silences: tuple[str, ...]
    """All phones that are no speech."""
    max_frames: int
    """Frames of the longest."""
    max_words: int
    """Words of the longest."""
    sizes: dict[str, tuple[int, ...]]
    """Utterances of each group of speakers, by split."""
    is_aligned: bool
    """Whether the state of each frame is known."""
    is_tied: bool
    """Whether states are listed in ``tying.npy``."""
    has_accuracy: bool
    """Whether it is known how right the phones of lattices are."""
    lattices: dict[str, tuple[int, int]]
    """Most arcs and most states in a frame, of each kind of lattice."""


@dataclass(frozen=True)
class Language:
    """Words, how they follow one another, and the states they are made of."""

    lexicon: Lexicon
    grammar: BackoffModel
    tying: Tying | None


@dataclass(frozen=True, eq=False)
class Record:
    """One utterance."""

    name: str
    speaker: str
    features: np.ndarray
    """float32 [T, D]."""
    words: Sequence[int]
    alignment: np.ndarray | None = None
    """int32 [T], pdf of each frame."""
    lattices: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What `trainers.data.utterances.stored.to_features` gives of each lattice."""


def record_path(folder: Path, split: str, group: int, place: int) -> Path:
    """Where an utterance is."""
    return folder / split / str(group) / f"{place}.record"


def encode(record: Record) -> bytes:
    """An utterance as a file's content."""

    def texts(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def integers(values: Sequence[int] | np.ndarray) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {
        "name": texts(record.name.encode()),
        "speaker": texts(record.speaker.encode()),
        "features": texts(np.asarray(record.features, "<f4").tobytes()),
        "words": integers(record.words),
    }
    if record.alignment is not None:
        features["alignment"] = integers(record.alignment)
    for name, values in record.lattices.items():
        flat = values.ravel()
        features[name] = (
            integers(flat)
            if flat.dtype == np.int64
            else tf.train.Feature(float_list=tf.train.FloatList(value=flat))
        )
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString())


class SplitWriter:
    """Writes the utterances of a split, each into the group of its speaker."""

    def __init__(self, folder: Path, split: str, groups: Mapping[str, int]) -> None:
        """Takes where to write, and the group of each speaker."""
        self._folder, self._split, self._groups = folder, split, groups
        # Groups are numbered as they are met: one may be left without utterances.
        self._numbers: dict[int, int] = {}
        self._sizes: list[int] = []
        self.max_frames = 1
        self.max_words = 1
        self.widths: dict[str, tuple[int, int]] = {}
        """Most arcs and most states in a frame, of each kind of lattice."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Utterances of each group so far."""
        return tuple(self._sizes)

    def write(self, record: Record) -> None:
        """Writes one utterance."""
        met = len(self._sizes)
        group = self._numbers.setdefault(self._groups[record.speaker], met)
        if group == met:
            self._sizes.append(0)
        path = record_path(self._folder, self._split, group, self._sizes[group])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(record))
        self._sizes[group] += 1
        self.max_frames = max(self.max_frames, len(record.features))
        self.max_words = max(self.max_words, len(record.words))
        for name in stored.names_in(record.lattices):
            arcs, states = stored.widths(record.lattices, name)
            most = self.widths.get(name, (1, 1))
            self.widths[name] = max(most[0], arcs), max(most[1], states)


def write_about(folder: Path, about: About, language: Language) -> None:
    """Writes what all utterances of a folder share; last, for now it is whole."""
    lexicon = language.lexicon
    write_symbols(folder / "phones.txt", lexicon.phones.names)
    write_lexicon(folder / "lexicon.txt", lexicon)
    write_arpa(folder / "lm.arpa", language.grammar, lexicon.words)
    if language.tying is not None:
        np.save(folder / _TYING, language.tying.table)
    text = about.model_dump_json(indent=2)
    (folder / _ABOUT).write_text(f"{text}\n", encoding="utf-8")


def read_about(folder: Path) -> tuple[About, Language]:
    """What `write_about` wrote.

    Raises:
      DataError: a file is missing or damaged.
    """
    path = folder / _ABOUT
    try:
        about = About.model_validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise DataError(
            f"no prepared utterances in {folder}. Expected what 'tfmodels data prepare"
            f" kaldi' writes; received {error.strerror}; correct data.path."
        ) from None
    except ValueError as error:
        raise DataError(
            f"{path} is damaged. Expected what 'tfmodels data prepare kaldi' writes;"
            f" received {error}; prepare the folder again."
        ) from None
    names = read_symbols(folder / "phones.txt")
    phones = PhoneSet.create(names[1:], about.silence, {"silence": about.silences})
    lexicon = read_lexicon(folder / "lexicon.txt", phones)
    grammar = read_arpa(folder / "lm.arpa", lexicon.words)
    # Of some hundred phones it would be millions of lines of text.
    tying = Tying(np.load(folder / _TYING)) if about.is_tied else None
    return about, Language(lexicon, grammar, tying)


def clear(folder: Path, splits: Sequence[str]) -> None:
    """Makes a folder ready to be written: utterances of before are gone.

    Raises:
      ConfigError: it holds something else.
    """
    known = {*splits, _ABOUT, "phones.txt", "lexicon.txt", "lm.arpa", _TYING}
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if found - known or (found and _ABOUT not in found):
        raise ConfigError(
            f"{folder} holds other files. Expected a new folder for --output, or one"
            f" of prepared utterances; received {', '.join(sorted(found)[:5])}."
        )
    (folder / _ABOUT).unlink(missing_ok=True)
    for split in splits:
        shutil.rmtree(folder / split, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
