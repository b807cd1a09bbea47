"""Kaldi's data folders: what was said by whom, in which part of which recording."""

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfmodels.errors import DataError
from trainers.data.kaldi.lines import Line
from trainers.data.kaldi.lines import filled_lines
from trainers.data.kaldi.lines import write_lines


@dataclass(frozen=True)
class Utterance:
    """One utterance."""

    name: str
    """Name, unique."""
    speaker: str
    """Who spoke."""
    words: tuple[str, ...]
    """What was said."""
    recording: str
    """Name of the recording it is in."""
    audio: str
    """File of the recording."""
    span: tuple[float, float] | None = None
    """Beginning and end in the recording, in seconds; None where it is all of it."""


def read_folder(path: Path) -> tuple[Utterance, ...]:
    """The utterances of a folder; each is a whole recording if there are no segments.

    Raises:
      DataError: a file is missing or damaged, files disagree about which utterances
        there are, or a recording is a command instead of a file.
    """
    recordings = {}
    for name, line in _by_name(path / "wav.scp").items():
        _, _, audio = line.text.strip().partition(" ")
        # Commands of a data folder are not run: it may come from anywhere.
        if not audio.strip() or audio.rstrip().endswith("|"):
            raise line.error("the name of a recording and a file")
        recordings[name] = audio.strip()
    segments = path / "segments"
    spans = _spans(segments, recordings) if segments.is_file() else {}
    texts, speakers = _by_name(path / "text"), _by_name(path / "utt2spk")
    names = spans or recordings
    for file, found in (("text", texts), ("utt2spk", speakers)):
        if set(found) != set(names):
            odd = sorted(set(found) ^ set(names))
            raise DataError(
                f"{path / file} does not fit the recordings. Expected the same"
                f" utterances; received {', '.join(odd[:5])} in one of them only."
            )
    utterances = []
    for name in names:
        recording, span = spans.get(name, (name, None))
        if len(speakers[name].fields) != 2:
            raise speakers[name].error("an utterance and its speaker")
        utterances.append(
            Utterance(
                name=name,
                speaker=speakers[name].fields[1],
                words=tuple(texts[name].fields[1:]),
                recording=recording,
                audio=recordings[recording],
                span=span,
            )
        )
    return tuple(utterances)


def write_folder(path: Path, utterances: Sequence[Utterance]) -> None:
    """Writes the files of a data folder, sorted by name as Kaldi wants them.

    Raises:
      DataError: only some utterances are parts of their recordings, or one that is a
        whole recording has another name.
    """
    utterances = sorted(utterances, key=lambda utterance: utterance.name)
    parts = [utterance for utterance in utterances if utterance.span]
    whole = [utterance for utterance in utterances if not utterance.span]
    for utterance in whole:
        if parts or utterance.name != utterance.recording:
            raise DataError(
                "A data folder cannot hold a whole recording as an utterance of another"
                " name, or beside parts. Expected spans of all utterances or of none;"
                f" received {utterance.name} without."
            )
    audio = {utterance.recording: utterance.audio for utterance in utterances}
    write_lines(path / "wav.scp", (f"{key} {audio[key]}" for key in sorted(audio)))
    write_lines(path / "text", (" ".join([u.name, *u.words]) for u in utterances))
    write_lines(path / "utt2spk", (f"{u.name} {u.speaker}" for u in utterances))
    if parts:
        write_lines(
            path / "segments",
            (
                f"{u.name} {u.recording} {float(u.span[0])!r} {float(u.span[1])!r}"
                for u in parts
                if u.span
            ),
        )


def _by_name(path: Path) -> dict[str, Line]:
    """Lines by their first field."""
    found: dict[str, Line] = {}
    for line in filled_lines(path):
        if line.fields[0] in found:
            raise line.error("each name once")
        found[line.fields[0]] = line
    return found


def _spans(
    path: Path, recordings: Mapping[str, str]
) -> dict[str, tuple[str, tuple[float, float]]]:
    spans = {}
    for name, line in _by_name(path).items():
        if len(line.fields) != 4 or line.fields[1] not in recordings:
            raise line.error("an utterance, a recording of wav.scp, begin and end")
        begin, end = line.numbers(line.fields[2:])
        if not 0 <= begin < end < math.inf:
            raise line.error("0 <= begin < end, in seconds")
        spans[name] = line.fields[1], (begin, end)
    return spans
