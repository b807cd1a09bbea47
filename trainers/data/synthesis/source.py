"""All splits of an experiment's speech to learn to speak from, with one table."""

import functools
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.text.symbols import Encoded
from tfmodels.text.symbols import Symbols
from tfmodels.text.symbols import build_symbols
from trainers.data.parallel.arrays import Side
from trainers.data.parallel.arrays import Writer
from trainers.data.speech.arranged import Arranged
from trainers.data.speech.arranged import first_that_fits
from trainers.data.speech.features import Features
from trainers.data.speech.features import frame_statistics
from trainers.data.speech.manifest import Utterance
from trainers.data.speech.recorded import RecordedCorpus
from trainers.data.synthesis.config import SynthesisData
from trainers.data.synthesis.front_end import SynthesisFrontEnd
from trainers.data.synthesis.manifests import read_manifests
from trainers.files import write_atomically

_LOG = logging.getLogger(__name__)


class SynthesisSplit(Arranged):
    """The utterances of a split as a synthesiser takes them."""

    def __init__(
        self, name: str, entries: list[Utterance], source: "SynthesisSource"
    ) -> None:
        """Encodes texts and puts utterances into buckets.

        Raises:
          ConfigError: a bucket does not fill a batch, and must.
          DataError: an utterance is of an unknown speaker or language, has no text or
            no phonemes, or none is left to learn from.
        """
        self.entries = entries
        self._config, self._mel = source.config, source.front_end.log_mel
        self.is_training = name == "train"
        corpus = RecordedCorpus(entries, "lang", source.front_end)
        self.corpus = corpus
        """Reads the recordings."""
        speakers, languages = source.speakers, source.languages
        self.speaker = _numbers(entries, "speaker", speakers)
        self.language = _numbers(entries, "lang", languages)
        """Numbers of each utterance's speaker and language, int64 [n]."""
        self.kinds = self.language
        symbols, tones = Writer(source.symbols.size), Writer(source.symbols.size)
        self.unknown = 0
        """Symbols that the table does not have."""
        for entry in entries:
            encoded = source.encode(entry)
            symbols.add(list(encoded.ids))
            tones.add(list(encoded.tones))
            self.unknown += len(encoded.unknown)
        self.symbols, self.tones = Side(*symbols.arrays()), Side(*tones.arrays())
        samples = [each.num_samples for each in corpus.utterances]
        self.lengths = np.array([self._mel.num_frames(n) for n in samples], np.int64)
        """Frames of each utterance, int64 [n]."""
        self.tokens = self._true_tokens()
        self.shapes = self._shapes()
        sizes = np.stack([self.lengths, self.symbols.lengths], axis=-1)
        self.bucket = first_that_fits(sizes, self.shapes)
        if np.all(self.bucket < 0):
            raise DataError(
                "no utterance is left to learn from. Expected some that fit into the"
                f" largest of data.buckets, {self.shapes[-1].tolist()} frames and"
                f" symbols. Received {len(entries)} that are longer; raise it."
            )
        if np.any(self.bucket < 0):
            _LOG.warning(
                "%d utterances are longer than any of data.buckets and left out",
                np.count_nonzero(self.bucket < 0),
            )
        megabytes = source.config.cache_megabytes
        self.features = functools.cache(
            lambda: Features(corpus, self.bucket >= 0, source.front_end, megabytes)
        )
        """Opens the features, which may read all recordings."""
        self.plain_features = functools.cache(
            lambda: Features(corpus, self.bucket >= 0, source.front_end, 0)
        )

    def _true_tokens(self) -> Side:
        """The symbol that each frame is of, plus one; 0 where that is not known."""
        preset = self._config.preset
        writer = Writer(2**16)
        for entry, frames in zip(self.entries, self.lengths, strict=True):
            if entry.durations_ms is None or self._config.symbols != "phonemes":
                writer.add([0] * int(frames))
                continue
            ends = np.cumsum(entry.durations_ms) - 1000 * entry.offset_s
            middles = np.arange(frames) * 1000 * preset.hop / preset.sample_rate
            writer.add((1 + np.searchsorted(ends, middles, side="right")).tolist())
        return Side(*writer.arrays())

    def _shapes(self) -> np.ndarray:
        shapes = [(each.frames, each.symbols) for each in self._config.buckets]
        longest = np.array([self.lengths.max(), self.symbols.lengths.max()])
        if not self.is_training and np.any(longest > shapes[-1]):
            # As many frames at once as the model says still divide it.
            step = self._config.buckets[0].frames
            frames = -(-max(int(longest[0]), shapes[-1][0]) // step) * step
            shapes.append((frames, max(int(longest[1]), shapes[-1][1])))
        return np.array(shapes, np.int64)


class SynthesisSource:
    """What `open_synthesis` returns."""

    def __init__(
        self, config: SynthesisData, splits: dict[str, list[Utterance]], write: bool
    ) -> None:
        """Takes what manifests say; sound is read when it is asked for.

        Raises:
          DataError: the table's file is damaged or of another kind.
        """
        self.config = config
        self.front_end = SynthesisFrontEnd(config)
        training = splits["train"]
        values = config.plain()
        self.speakers = _named(values.get("speakers"), training, "speaker")
        """Names of all speakers, in the order of their numbers."""
        self.languages = _named(values.get("languages"), training, "lang")
        """Names of all languages, in the order of their numbers."""
        self.pairs = {(each.speaker, each.lang) for each in training}
        """Speakers and languages that are together in training; others are crossed."""
        self.symbols = self._table(training, write)
        self._splits = splits
        self.split = functools.cache(self._split)

    def _split(self, name: str) -> SynthesisSplit:
        return SynthesisSplit(name, self._splits[name], self)

    def _table(self, training: list[Utterance], write: bool) -> Symbols:
        config = self.config
        path = None if config.inventory is None else Path(config.inventory)
        if path is not None and path.exists():
            return _read_table(path, config)
        made = build_symbols(
            config.symbols, map(self._units, training), config.lower_case
        )
        if path is not None and write:
            text = json.dumps(made.plain(), ensure_ascii=False, indent=1)
            write_atomically(path, f"{text}\n")
        return made

    def _units(self, entry: Utterance) -> str | tuple[str, ...]:
        units = entry.phonemes if self.config.symbols == "phonemes" else entry.text
        if not units or not any(map(str.strip, units)):
            raise DataError(
                f"the utterance {entry.utt} has nothing to say. Expected"
                f" {'phonemes' if self.config.symbols == 'phonemes' else 'a text'}."
                f" Received {units!r}; correct the manifest, or data.symbols."
            )
        return units

    def encode(self, entry: Utterance) -> Encoded:
        """What a model reads for an utterance.

        Raises:
          DataError: it has no text or phonemes.
        """
        tones = (entry.tones or ()) if self.config.tones else ()
        return self.symbols.encode(self._units(entry), tones)

    @property
    def feature_dim(self) -> int:
        """Mel bands of a frame."""
        return self.front_end.log_mel.num_bins

    @property
    def steps_per_epoch(self) -> int:
        """Batches of a training epoch."""
        return self.split("train").order.steps_per_epoch

    def utterances(self, split: str) -> list[Utterance]:
        """What the manifests say of a split, in the order of ``index``."""
        return self._splits[split]

    def statistics(self, max_utterances: int = 1000) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each band over training frames.

        Args:
          max_utterances: at most so many are looked at, spread over the split.

        Returns:
          Two float32 [M].

        Raises:
          DataError: a recording cannot be read.
        """
        split = self.split("train")
        used = np.flatnonzero(split.bucket >= 0)
        chosen = used[:: -(-len(used) // max_utterances)]
        return frame_statistics(split.plain_features(), split.lengths, chosen)


def _named(names: Any, training: list[Utterance], key: str) -> tuple[str, ...]:
    found = {getattr(entry, key) for entry in training} - {None}
    return tuple(names) if names else tuple(sorted(found))


def _numbers(entries: list[Utterance], key: str, names: tuple[str, ...]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(names)}
    for entry in entries:
        if getattr(entry, key) not in numbers:
            what = "speaker" if key == "speaker" else "language"
            raise DataError(
                f"the utterance {entry.utt} is of an unknown {what}. Expected one of"
                f" {', '.join(names)}. Received {getattr(entry, key)!r}; correct the"
                f" manifest or data.{what}s."
            )
    return np.array([numbers[getattr(each, key)] for each in entries], np.int64)


def _read_table(path: Path, config: SynthesisData) -> Symbols:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read the table of symbols {path}. Expected JSON with kind,"
            f" inventory and lower_case. Received: {error}; correct data.inventory, or"
            " remove the file to have it made anew."
        ) from None
    table = Symbols.from_plain(values if isinstance(values, dict) else {})
    if (table.kind, table.lower_case) != (config.symbols, config.lower_case):
        raise ConfigError(
            f"the table of symbols {path} is of another kind. Expected data.symbols:"
            f" {config.symbols} and data.lower_case: {config.lower_case}. Received"
            f" {table.kind} and {table.lower_case}; correct data.inventory."
        )
    return table


def open_synthesis(config: SynthesisData, write: bool = True) -> SynthesisSource:
    """Opens all splits of an experiment's recordings.

    Args:
      config: the section `data`; one of the kinds that extend `SynthesisData`.
      write: whether a new table of symbols is written to its file.

    Raises:
      DataError: a manifest or table is missing or damaged, or a split is empty.
    """
    return SynthesisSource(config, read_manifests(config), write)
