"""Writing sound: WAV files, at once or as it is made, or plain samples to a pipe."""

import sys
import wave
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainers.files import writing

_LOUDEST = 32_767
_STANDARD_OUTPUT = Path("-")


class Sounds(NamedTuple):
    """Some sounds that people may listen to."""

    samples: np.ndarray
    """float32 [N, L] from -1 to 1, 0 behind the end of each."""
    sample_rate: int
    """Hz."""


@contextmanager
def sound_file(
    path: Path, sample_rate: int
) -> Iterator[Callable[[np.ndarray], object]]:
    """A function that adds samples, float32 [N], to a file, whole after each of them.

    It is a WAV file of 16 bits and one channel; louder samples than 1 are cut. ``-`` is
    standard output, which gets the samples alone, little-endian.

    Args:
      path: of the file.
      sample_rate: Hz.

    Raises:
      DataError: the file cannot be written, or nobody listens.
    """
    if path == _STANDARD_OUTPUT:
        with writing("standard output"):
            yield _print
        return
    with writing(path), path.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        yield lambda samples: file.writeframes(_content(samples))


def _content(samples: np.ndarray) -> bytes:
    return np.rint(np.clip(samples, -1, 1) * _LOUDEST).astype("<i2").tobytes()


def _print(samples: np.ndarray) -> None:
    sys.stdout.buffer.write(_content(samples))
    sys.stdout.buffer.flush()
