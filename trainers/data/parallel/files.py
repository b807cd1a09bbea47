"""Reads pairs of sentences from two files of lines, or from a table, line by line."""

import gzip
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from tfmodels.errors import DataError
from trainers.data.parallel.config import Corpus

Report = Callable[[str], object]
"""Takes what is wrong with a line, which is then passed over."""


def fail(problem: str) -> None:
    """The report that ends reading.

    Raises:
      DataError: always.
    """
    raise DataError(problem)


class FileCorpus:
    """Pairs of one entry of the configuration; see `Pairs` in the module `sources`."""

    def __init__(self, corpus: Corpus, key: str) -> None:
        """Takes the entry, and where in the configuration it is."""
        self.language = corpus.target_language
        self._files = [corpus.source]
        if corpus.target is not None:
            self._files.append(corpus.target)
        self._key = key

    @property
    def identity(self) -> list[object]:
        """Paths, sizes and times of the files: what changes when they do.

        Raises:
          DataError: a file is not there.
        """
        found: list[object] = [self.language]
        for path in self._files:
            try:
                about = Path(path).stat()
            except OSError as error:
                raise self._unreadable(path, error) from None
            found.append([path, about.st_size, about.st_mtime_ns])
        return found

    def pairs(self, report: Report = fail) -> Iterator[tuple[str, str]]:
        """Sentences and translations as they are written, without line ends.

        Args:
          report: takes what is wrong with a line; by default that is raised.

        Raises:
          DataError: a file cannot be read; or a line is not UTF-8 or no pair, or the
            files have different numbers of lines, and nobody takes reports.
        """
        number = 0
        for number, first, second in self._lines(report):
            source = self._decoded(first, self._files[0], number, report)
            target = self._decoded(second, self._files[-1], number, report)
            if source is not None and target is not None:
                yield source, target
        if not number:
            report(
                f"{self._files[0]} holds no line. Expected sentences. Received an"
                f" empty file; correct {self._key}."
            )

    def _lines(self, report: Report) -> Iterator[tuple[int, bytes, bytes]]:
        """Number and both sides of every line."""
        if len(self._files) == 1:
            yield from self._rows(report)
            return
        source, target = self._files
        counts = [0, 0]
        pairs = zip_longest(self._read(source), self._read(target))
        for first, second in pairs:
            counts[0] += first is not None
            counts[1] += second is not None
            if first is not None and second is not None:
                yield counts[0], first, second
        if counts[0] != counts[1]:
            report(
                f"{source} and {target} are not aligned. Expected as many lines in"
                f" both, each the translation of the other. Received {counts[0]:,} and"
                f" {counts[1]:,} lines; correct {self._key}."
            )

    def _rows(self, report: Report) -> Iterator[tuple[int, bytes, bytes]]:
        source = self._files[0]
        for number, line in enumerate(self._read(source), 1):
            columns = line.split(b"\t")
            if len(columns) < 2:
                report(
                    f"line {number:,} of {source} is no pair. Expected sentence, tab,"
                    " translation. Received a line without a tab; correct it, or say"
                    f" the other file: {self._key}.target."
                )
            else:
                yield number, columns[0], columns[1]

    def _decoded(
        self, line: bytes, path: str, number: int, report: Report
    ) -> str | None:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            report(
                f"line {number:,} of {path} is not UTF-8. Expected a file in UTF-8."
                f" Received the byte 0x{line[error.start]:02x} in place"
                f" {error.start + 1:,} of the line; convert the file, or correct"
                f" {self._key}."
            )
            return None

    def _read(self, path: str) -> Iterator[bytes]:
        """Lines without their ends, of which a carriage return may be part."""
        try:
            with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
                for line in file:
                    yield line.removesuffix(b"\n").removesuffix(b"\r")
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(path, error) from None

    def _unreadable(self, path: str, error: Exception) -> DataError:
        reason = getattr(error, "strerror", None) or error
        return DataError(
            f"cannot read {path}: {reason}. Expected a text file, compressed if its"
            f" name ends in .gz; correct {self._key}."
        )
