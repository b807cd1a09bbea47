"""Manifests: a line of JSON for each utterance, for any corpus."""

import json
import math
import os
from collections.abc import Container
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from types import UnionType
from typing import Any

from tfmodels.errors import DataError
from trainers.data.parallel.files import Report
from trainers.data.parallel.files import fail
from trainers.files import write_atomically


@dataclass(frozen=True)
class Utterance:
    """What a manifest says of an utterance."""

    utt: str
    """Its name, which no other has."""
    audio: str
    """File of the recording; relative to the manifest in files, to nothing here."""
    text: str
    """The transcript."""
    split: str
    """Such as ``train`` or ``test``."""
    lang: str | None = None
    """Its language, such as ``en``."""
    dialect: str | None = None
    """Its dialect, such as ``en-gb``."""
    speaker: str | None = None
    """Who speaks."""
    offset_s: float = 0.0
    """Where in the recording it begins, in seconds."""
    dur_s: float | None = None
    """How long it is, in seconds; to the end of the recording when None."""
    phonemes: tuple[str, ...] | None = None
    """Names of its phonemes; words are parted by a space."""
    tones: tuple[int, ...] | None = None
    """Tone or stress of each phoneme, as `tfmodels.text.symbols` numbers them."""
    durations_ms: tuple[float, ...] | None = None
    """How long each phoneme is, from the beginning of the recording on."""


_TEXTS = ("utt", "audio", "text", "split")
_OPTIONAL = ("lang", "dialect", "speaker")
_LISTS: dict[str, type | UnionType] = {
    "phonemes": str,
    "tones": int,
    "durations_ms": int | float,
}
_KEYS = frozenset(Utterance.__dataclass_fields__)
_OTHER_NAMES = {"id": "utt", "wav": "audio", "language": "lang"}
"""What manifests of synthesis call some keys."""


def read_manifest(path: Path, report: Report = fail) -> list[Utterance]:
    """All utterances, in their order.

    Args:
      path: the file.
      report: takes what is wrong with a line, which is then passed over; by default
        that is raised.

    Raises:
      DataError: the file cannot be read; or a line is damaged, or a name is there
        twice, and nobody takes reports.
    """
    utterances: dict[str, Utterance] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    utterance = _parsed(path, number, line)
                    _check_new(path, number, utterance.utt, utterances)
                except DataError as error:
                    report(str(error))
                    continue
                utterances[utterance.utt] = utterance
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the manifest {path}. Expected a UTF-8 file with a JSON object"
            f" in each line. Received: {error}; correct data.manifest."
        ) from None
    return list(utterances.values())


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> int:
    """Writes utterances, files relative to the manifest, and counts them.

    Raises:
      DataError: the folder cannot be written.
    """
    folder = path.parent.resolve()
    lines = []
    for utterance in utterances:
        audio = os.path.relpath(Path(utterance.audio).resolve(), folder)
        values = {
            key: value
            for key, value in replace(utterance, audio=audio).__dict__.items()
            if value is not None or key not in _LISTS
        }
        lines.append(json.dumps(values, ensure_ascii=False) + "\n")
    write_atomically(path, "".join(lines))
    return len(lines)


def _parsed(path: Path, number: int, line: str) -> Utterance:
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise _damaged(path, number, "a JSON object", line)
    values = {_OTHER_NAMES.get(key, key): value for key, value in values.items()}
    missing = [key for key in _TEXTS if not isinstance(values.get(key), str)]
    if missing:
        raise _damaged(path, number, f"text for {', '.join(missing)}", line)
    for key in _OPTIONAL:
        if not isinstance(values.get(key), str | None):
            raise _damaged(path, number, f"text or null for {key}", line)
    _check_lists(path, number, line, values)
    begin, seconds = values.get("offset_s"), values.get("dur_s")
    begin = 0.0 if begin is None else begin
    if not _is_time(begin) or not (seconds is None or _is_time(seconds)):
        raise _damaged(path, number, "seconds for offset_s and dur_s", line)
    known: dict[str, Any] = {
        key: tuple(values[key]) if key in _LISTS and values[key] else values[key]
        for key in _KEYS & values.keys()
    }
    audio = str(path.parent / values["audio"])
    return Utterance(**{**known, "audio": audio, "offset_s": begin})


def _check_lists(path: Path, number: int, line: str, values: dict[str, Any]) -> None:
    """Checks what an utterance has of each phoneme."""
    names = values.get("phonemes")
    for key, kind in _LISTS.items():
        items = values.get(key)
        if items is None:
            continue
        if not isinstance(items, list) or not all(isinstance(i, kind) for i in items):
            raise _damaged(path, number, f"a list for {key}", line)
        if not isinstance(names, list) or len(items) != len(names):
            raise _damaged(path, number, f"{key}, one for each of phonemes", line)


def _check_new(path: Path, number: int, name: str, known: Container[str]) -> None:
    if name in known:
        raise _damaged(path, number, "a name that no line before has", name)


def _is_time(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0


def _damaged(path: Path, number: int, expected: str, received: str) -> DataError:
    return DataError(
        f"line {number:,} of {path} is damaged. Expected {expected}. Received"
        f" {received.strip()[:70]!r}; correct it, or remove the line."
    )
