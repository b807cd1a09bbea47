"""What a synthesiser says, as sound that can be written to a file."""

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainers.sound import sound_file

STOPPED = "stop"
"""Why an utterance ends that ends as it should."""


class SpokenPiece(NamedTuple):
    """How a piece of a text was said."""

    symbols: tuple[str, ...]
    """N, the end included."""
    energies: np.ndarray
    """float32 [T, M], the log-mel spectrum."""
    alignment: np.ndarray
    """float32 [S, N], what each step of the decoder attended to."""


@dataclass(frozen=True)
class Spoken:
    """A text that has been said, or a part of it."""

    samples: np.ndarray
    """float32 [N], from -1 to 1; louder ones are cut."""
    sample_rate: int
    """Hz."""
    stop_reason: str
    """Why it ends there: `stop` if the model said so."""
    unknown: tuple[str, ...] = ()
    """Symbols of the text that the model does not know, and passed over."""
    pieces: tuple[SpokenPiece, ...] = ()
    """What it was cut into."""

    def __str__(self) -> str:
        seconds = len(self.samples) / self.sample_rate
        text = f"{seconds:.2f} s of speech, ended by {self.stop_reason}"
        if self.unknown:
            text += f"; unknown symbols: {' '.join(dict.fromkeys(self.unknown))}"
        return text

    def write(self, path: Path) -> None:
        """Writes a WAV file of 16 bits; ``-`` is standard output, samples alone.

        Raises:
          DataError: the folder cannot be written.
        """
        with sound_file(path, self.sample_rate) as add:
            add(self.samples)


def joined(parts: Iterable[Spoken]) -> Spoken:
    """All parts of a text, at least one, as one."""
    found = list(parts)
    reasons = dict.fromkeys(part.stop_reason for part in found)
    others = [reason for reason in reasons if reason != STOPPED]
    return Spoken(
        np.concatenate([part.samples for part in found]),
        found[0].sample_rate,
        ", ".join(others) or STOPPED,
        found[0].unknown,
        tuple(piece for part in found for piece in part.pieces),
    )


def written(parts: Iterator[Spoken], path: Path) -> Iterator[Spoken]:
    """Passes parts on, each once it is in a file; see `Spoken.write`.

    Raises:
      DataError: the file cannot be written.
    """
    first = next(parts, None)
    if first is None:
        return
    with sound_file(path, first.sample_rate) as add:
        add(first.samples)
        yield first
        for part in parts:
            add(part.samples)
            yield part
