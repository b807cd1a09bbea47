"""Reads every recording and transcript, to find the bad ones before training does."""

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from tfmodels.errors import DataError
from tfmodels.text.graphemes import Graphemes
from tfmodels.text.graphemes import build_graphemes
from tfmodels.text.graphemes import normalized
from trainers.data.speech.config import SpeechData
from trainers.data.speech.digit_clips import list_clips
from trainers.data.speech.front_end import FrontEnd
from trainers.data.speech.front_end import Sounds
from trainers.data.speech.manifest import Utterance
from trainers.data.speech.manifest import read_manifest
from trainers.data.speech.recordings import describe_sound
from trainers.data.speech.recordings import read_sound
from trainers.data.speech.tables import read_graphemes

# Two steps of 16 bits: what is below is no microphone.
_SILENT = 2 / 32768
_CLIPPED = 0.999
# So many samples at the limit, one after another, are no chance.
_RUN = 4


@dataclass
class SplitReport:
    """What is in a split; what cannot be used is not counted."""

    utterances: int = 0
    seconds: float = 0.0
    other_rate: int = 0
    """Recordings of another rate; they are resampled."""
    other_channels: int = 0
    """Recordings of several channels; their mean is taken."""
    clipped: int = 0
    """Recordings that were too loud for their form."""
    long: int = 0
    """Utterances that fit into no bucket; training leaves them out."""
    also_in_training: int = 0
    """Speakers of the split who are in the training split too."""
    varieties: Counter[str] = field(default_factory=Counter)
    """Utterances of each variety."""
    problems: list[str] = field(default_factory=list)
    """What keeps utterances from being used, as sentences."""


def check_speech(
    config: SpeechData, progress: Callable[[str, int], None]
) -> dict[str, SplitReport]:
    """Reads all splits; of connected digits the recordings that they are joined of.

    The table of characters is that of the file, if it is there; one that is made is not
    written. Lines of a manifest that are damaged count as the training split's.

    Args:
      config: the section `data`.
      progress: called with a split and the number of utterances read since the last
        call.

    Raises:
      DataError: a manifest or a table cannot be read at all.
    """
    splits = ("train", *config.held_out_splits())
    reports = {split: SplitReport() for split in splits}
    entries = _ENTRIES[config.plain()["kind"]](config, reports["train"].problems.append)
    checker = _Checker(config, entries["train"])
    speakers = {entry.speaker for entry in entries["train"] if entry.speaker}
    for split, report in reports.items():
        for entry in entries[split]:
            checker.look_at(entry, report)
            progress(split, 1)
        if split != "train":
            own = {entry.speaker for entry in entries[split]}
            report.also_in_training = len(own & speakers)
    return reports


class _Checker:
    """Knows what utterances are to be like."""

    def __init__(self, config: Any, training: list[Utterance]) -> None:
        self._config = config
        self._front_end = FrontEnd(config)
        self._key = {"accent": "dialect", "language": "lang"}.get(
            config.variety, config.variety
        )
        names = {getattr(entry, self._key) for entry in training} - {None}
        self._varieties = getattr(config, "varieties", None) or sorted(names)
        self._table = self._known_units(training)

    def _known_units(self, training: list[Utterance]) -> Graphemes:
        path = self._config.graphemes
        if path is not None and Path(path).exists():
            return read_graphemes(Path(path))
        texts = (("", self._normalized(entry)) for entry in training)
        return build_graphemes([], texts, self._config.pieces)

    def _normalized(self, entry: Utterance) -> str:
        language = entry.lang or getattr(entry, self._key)
        return normalized(entry.text, language not in self._config.keep_case)

    def look_at(self, entry: Utterance, report: SplitReport) -> None:
        """Adds an utterance to the counts, or what is wrong with it to the problems."""
        problems = list(self._problems(entry))
        try:
            self._listen(entry, report)
        except DataError as error:
            problems.append(str(error))
        report.problems += [f"{entry.utt}: {problem}" for problem in problems]
        if not problems:
            report.utterances += 1
            report.varieties[getattr(entry, self._key)] += 1

    def _problems(self, entry: Utterance) -> Iterator[str]:
        variety = getattr(entry, self._key)
        if variety not in self._varieties:
            yield (
                f"unknown variety. Expected the key {self._key} to be one of"
                f" {', '.join(self._varieties)}. Received {variety!r}."
            )
        text = self._normalized(entry)
        unknown = sorted(set(text) - set(self._table.ids))
        if unknown:
            yield (
                "characters that are not in the table of graphemes. Expected those of"
                f" the training split. Received {' '.join(map(repr, unknown))}, which"
                " can only be recognised as unknown; correct the transcript."
            )
        if not text:
            yield (
                "the transcript is empty. Expected words. Received"
                f" {entry.text[:20]!r}; correct it, or remove the utterance."
            )

    def _listen(self, entry: Utterance, report: SplitReport) -> None:
        units = len(self._table.spelled(self._normalized(entry))) + 1
        units += self._config.variety_symbol != "none"
        largest = self._config.buckets[-1]
        size = (largest.frames, largest.units)
        listen(entry, report, self._front_end, units, size)


def listen(
    entry: Utterance,
    report: SplitReport,
    front_end: Sounds,
    units: int,
    largest: tuple[int, int],
) -> float:
    """Reads a recording, adds it to the counts, and returns its seconds.

    Args:
      entry: the utterance.
      report: takes what the recording is like.
      front_end: says rate and frames that are wanted.
      units: how long its text is.
      largest: frames and units of the largest bucket.

    Raises:
      DataError: it cannot be used.
    """
    path = Path(entry.audio)
    about = describe_sound(path)
    samples, rate = read_sound(path, entry.offset_s, entry.dur_s)
    loudest = float(np.abs(samples).max())
    if loudest <= _SILENT:
        raise DataError(
            "the recording is silent. Expected speech. Received"
            f" {len(samples) / rate:.2f} s of samples up to {loudest:.1e}; remove the"
            " utterance."
        )
    wanted = front_end.sample_rate
    frames = front_end.log_mel.num_frames(len(samples) * wanted // rate)
    if frames < 1:
        raise DataError(
            "the recording is too short. Expected at least one frame of 25 ms."
            f" Received {len(samples)} samples at {rate} Hz; remove the utterance."
        )
    seconds = len(samples) / rate
    report.seconds += seconds
    report.other_rate += rate != wanted
    report.other_channels += about.channels != 1
    report.clipped += _is_clipped(samples)
    report.long += frames > largest[0] or units > largest[1]
    return seconds


def _is_clipped(samples: np.ndarray) -> bool:
    """Whether several neighbouring samples stand at the limit."""
    at_limit = np.abs(samples) >= _CLIPPED
    if np.count_nonzero(at_limit) < _RUN:
        return False
    return bool(np.convolve(at_limit, np.ones(_RUN), "valid").max() >= _RUN)


def _manifest_entries(
    config: Any, report: Callable[[str], object]
) -> dict[str, list[Utterance]]:
    entries = read_manifest(Path(config.manifest), report)
    return {
        split: [e for e in entries if e.split in getattr(config, split)]
        for split in ("train", *config.held_out_splits())
    }


def _digit_entries(
    config: Any, report: Callable[[str], object]
) -> dict[str, list[Utterance]]:
    entries = [clip.utterance for clip in list_clips(config)]
    return {
        split: [entry for entry in entries if entry.split == split]
        for split in ("train", *config.held_out_splits())
    }


_ENTRIES: dict[str, Callable[..., dict[str, list[Utterance]]]] = {
    "connected_digits": _digit_entries,
    "speech_manifest": _manifest_entries,
}
