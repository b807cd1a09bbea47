"""Symbol tables, lexicons, phone classes, alignments and counts of pdfs."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.lexicon import EPSILON
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import PhoneSet
from trainers.data.kaldi.lines import Line
from trainers.data.kaldi.lines import filled_lines
from trainers.data.kaldi.lines import write_lines


def read_symbols(path: Path) -> tuple[str, ...]:
    """The names of a table as ``phones.txt`` or ``words.txt``, in order of numbers.

    Raises:
      DataError: the numbers are not 0, 1, 2 ..., a name comes twice, or number 0 is not
        ``<eps>``.
    """
    names: dict[int, str] = {}
    for line in filled_lines(path):
        if len(line.fields) != 2:
            raise line.error("a name and its number")
        (number,) = line.integers(line.fields[1:])
        if number in names or line.fields[0] in names.values():
            raise line.error("names and numbers that are new")
        names[number] = line.fields[0]
    if names.get(0) != EPSILON or set(names) != set(range(len(names))):
        raise DataError(
            f"{path} is not a table of symbols. Expected the numbers 0 to"
            f" {len(names) - 1}, number 0 being {EPSILON}; received"
            f" {sorted(names)[:10]}, number 0 being {names.get(0)}."
        )
    return tuple(names[number] for number in range(len(names)))


def write_symbols(path: Path, names: Sequence[str]) -> None:
    """Writes names with their numbers, the first being number 0."""
    write_lines(path, (f"{name} {number}" for number, name in enumerate(names)))


def read_lexicon(path: Path, phones: PhoneSet) -> Lexicon:
    """Words and phones, ``WORD P1 P2 ...``; more lines of a word are its variants.

    Raises:
      DataError: a line has no phones, or a phone is unknown.
    """
    entries = []
    for line in filled_lines(path):
        word, *names = line.fields
        if not names or not set(names) <= set(phones.index):
            raise line.error("a word and names of known phones")
        entries.append((word, names))
    return Lexicon.create(entries, phones)


def write_lexicon(path: Path, lexicon: Lexicon) -> None:
    """Writes a line for each variant of each word."""
    write_lines(
        path,
        (
            " ".join([word, *(lexicon.phones.names[phone] for phone in phones)])
            for word, variants in zip(
                lexicon.words, lexicon.pronunciations, strict=True
            )
            for phones in variants
        ),
    )


def read_phone_classes(path: Path) -> dict[str, tuple[str, ...]]:
    """The classes of phones, a line ``PHONE class class ...`` each.

    Raises:
      DataError: a phone comes twice.
    """
    classes: dict[str, list[str]] = {}
    seen: set[str] = set()
    for line in filled_lines(path):
        phone, *names = line.fields
        if phone in seen:
            raise line.error("each phone once")
        seen.add(phone)
        for name in names:
            classes.setdefault(name, []).append(phone)
    return {name: tuple(members) for name, members in classes.items()}


def read_alignments(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Utterances and the number of each frame, ``utterance number number ...``.

    Yields:
      The utterance's name and int32 [T]: pdfs or transition ids, as the file has them.

    Raises:
      DataError: what follows the name are not whole numbers, or a name comes twice.
    """
    seen: set[str] = set()
    for line in filled_lines(path):
        name, *fields = line.fields
        if name in seen:
            raise line.error("each utterance once")
        seen.add(name)
        yield name, np.array(line.integers(fields), np.int32)


def write_alignments(path: Path, alignments: Mapping[str, np.ndarray]) -> None:
    """Writes a line for each utterance."""
    write_lines(
        path,
        (
            " ".join([name, *map(str, frames.tolist())])
            for name, frames in alignments.items()
        ),
    )


def read_counts(path: Path) -> np.ndarray:
    """Frames of each pdf from a file as ``ali_train_pdf.counts``, ``[ n0 n1 ... ]``.

    Returns:
      int64 [P].

    Raises:
      DataError: there is not one line of counts in brackets.
    """
    lines = list(filled_lines(path))
    expected = "one line, counts between [ and ]"
    if len(lines) != 1:
        raise lines[1].error(expected) if lines else Line(path, 1, "").error(expected)
    fields = lines[0].fields
    if len(fields) < 3 or fields[0] != "[" or fields[-1] != "]":
        raise lines[0].error(expected)
    # Some of Kaldi's programs write counts as numbers with a point.
    values = lines[0].numbers(fields[1:-1])
    if any(value < 0 or value % 1 for value in values):
        raise lines[0].error("whole counts of at least 0")
    return np.array(values, np.int64)


def write_counts(path: Path, counts: Iterable[int]) -> None:
    """Writes frames of each pdf as one line."""
    write_lines(path, [" ".join(["[", *(str(int(count)) for count in counts), "]"])])
