"""Lines of text files, and complaints that name the file and the line."""

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfmodels.errors import DataError


@dataclass(frozen=True)
class Line:
    """One line of a file."""

    path: Path
    """The file."""
    number: int
    """Its place, from 1."""
    text: str
    """What it says, without the end of the line."""

    @property
    def fields(self) -> list[str]:
        """Its parts between white space."""
        return self.text.split()

    def error(self, expected: str) -> DataError:
        """What to raise where something else was expected."""
        return DataError(
            f"{self.path}, line {self.number}, is damaged. Expected {expected};"
            f" received {self.text[:70]!r}."
        )

    def integers(self, fields: Iterable[str], least: int = 0) -> list[int]:
        """Fields as whole numbers.

        Raises:
          DataError: one is not, or is below `least`.
        """
        try:
            values = [int(field) for field in fields]
        except ValueError:
            raise self.error("whole numbers") from None
        if any(value < least for value in values):
            raise self.error(f"whole numbers of at least {least}")
        return values

    def numbers(self, fields: Iterable[str]) -> list[float]:
        """Fields as numbers.

        Raises:
          DataError: one is not.
        """
        try:
            values = [float(field) for field in fields]
        except ValueError:
            raise self.error("numbers") from None
        if any(value != value for value in values):
            raise self.error("numbers")
        return values


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a file in UTF-8, empty ones included.

    Raises:
      DataError: there is no such file, or it is not text.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, start=1):
                yield Line(path, number, text.rstrip("\r\n"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read. Expected a text file; received {error.strerror}."
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text. Expected UTF-8; received {error.reason}."
        ) from None


def filled_lines(path: Path) -> Iterator[Line]:
    """The lines of a file that are not empty.

    Raises:
      DataError: there is no such file, or it is not text.
    """
    return (line for line in read_lines(path) if line.fields)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes a file in UTF-8, each line ended."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
