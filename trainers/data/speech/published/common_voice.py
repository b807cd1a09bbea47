"""Common Voice (CC0): sentences read by volunteers, in tables of each language."""

import csv
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tfmodels.errors import DataError
from trainers.data.speech.manifest import Utterance

_NEEDED = ("client_id", "path", "sentence")
# What is held out comes first: it keeps a speaker who is in several tables.
_SPLITS = {"test": "test", "dev": "validation", "train": "train"}


class Found(NamedTuple):
    """What became of the tables' rows."""

    utterances: list[Utterance]
    unknown_accents: Counter[str]
    """How often accents that the user's table does not have were said; their utterances
    are left out."""
    in_several_splits: int
    """Utterances left out since their speaker is in a split that is held out."""


def common_voice(source: Path, accents: Mapping[str, str] | None = None) -> Found:
    """All utterances of the three splits of a language, ``test`` first.

    Tables are read by the names in their header; those that are not needed may be
    missing. Quotes are part of the sentences.

    Args:
      source: the folder of a language, with ``clips`` and ``train.tsv``, ``dev.tsv``
        and ``test.tsv``.
      accents: dialect of each accent that speakers gave, "" for those who gave none.
        Where there is no such table the dialect of all is the language.

    Raises:
      DataError: a table is missing or has no column that is needed.
    """
    utterances: list[Utterance] = []
    unknown: Counter[str] = Counter()
    taken: dict[str, str] = {}
    several = 0
    for table, split in _SPLITS.items():
        for row in _rows(source / f"{table}.tsv"):
            speaker = row["client_id"]
            if taken.setdefault(speaker, split) != split:
                several += 1
                continue
            language = row.get("locale") or source.name
            accent = (row.get("accents") or row.get("accent") or "").strip()
            dialect = language if accents is None else accents.get(accent)
            if dialect is None:
                unknown[accent] += 1
                continue
            name = row["path"]
            file = name if Path(name).suffix else f"{name}.mp3"
            utterances.append(
                Utterance(
                    utt=Path(name).stem,
                    audio=str(source / "clips" / file),
                    text=row["sentence"],
                    split=split,
                    lang=language,
                    dialect=dialect,
                    speaker=speaker,
                )
            )
    return Found(utterances, unknown, several)


def read_accents(path: Path) -> dict[str, str]:
    """A user's table of accents: a CSV file with the columns accent and dialect.

    Raises:
      DataError: it cannot be read, or has other columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, str(error)) from None
    if not rows or any(not row.get("dialect") for row in rows):
        raise _unreadable(path, "a table without them, or a row without a dialect")
    return {(row.get("accent") or "").strip(): row["dialect"] for row in rows}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = table.fieldnames or []
            missing = [name for name in _NEEDED if name not in header]
            if missing:
                raise DataError(
                    f"{path} is no table of Common Voice. Expected the columns"
                    f" {', '.join(_NEEDED)} in its header. Received"
                    f" {', '.join(header)[:200]}."
                )
            for row in table:
                if any(not row[name] for name in _NEEDED):
                    raise DataError(
                        f"line {table.line_num:,} of {path} is damaged. Expected"
                        f" {', '.join(_NEEDED)}. Received {list(row.values())}."
                    )
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"cannot read {path}. Expected a table of Common Voice. Received: {error};"
            " correct --source."
        ) from None


def _unreadable(path: Path, received: str) -> DataError:
    return DataError(
        f"cannot read the accents {path}. Expected a CSV file with the columns accent"
        f" and dialect. Received: {received}; correct --accents."
    )
