"""Somebody else's arrays: each must be there, have its shape, and be used."""

import zipfile
from pathlib import Path
from typing import Self

import numpy as np

from tfmodels.errors import DataError

_SHOWN = 20


class Weights:
    """Named arrays, of which all are taken in the end.

    Args:
      arrays: by name.
      source: what they were read from, for messages.
    """

    def __init__(self, arrays: dict[str, np.ndarray], source: str) -> None:
        self._arrays = {name.removesuffix(":0"): x for name, x in arrays.items()}
        self._source = source
        self._taken: set[str] = set()
        self._problems: list[str] = []

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a .npz file.

        Raises:
          DataError: it is missing, damaged, or holds something else than arrays.
        """
        try:
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}: the weights cannot be read. Expected a file that numpy.savez"
                f" wrote. Received {type(error).__name__}: {error}."
            ) from None
        return cls(arrays, str(path))

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All of them, by name."""
        return dict(self._arrays)

    def has(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return name in self._arrays

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Of an array, if it is there."""
        array = self._arrays.get(name)
        return None if array is None else array.shape

    def take(self, name: str, *shape: int) -> np.ndarray:
        """An array, float32; zeros where `finish` will complain."""
        self._taken.add(name)
        array = self._arrays.get(name)
        if array is None:
            self._problems.append(f"{name} {list(shape)} is missing")
        elif array.shape != shape:
            self._problems.append(
                f"{name} has shape {list(array.shape)}, not {list(shape)}"
            )
        elif not (np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()):
            self._problems.append(f"{name} does not hold finite real numbers")
        else:
            return array.astype(np.float32)
        return np.zeros(shape, np.float32)

    def take_equal(self, name: str, expected: np.ndarray) -> None:
        """Takes an array that is another one's double."""
        if not np.array_equal(self.take(name, *expected.shape), expected):
            self._problems.append(f"{name} differs from the array that it shares")

    def pass_over(self, name: str) -> None:
        """Leaves out an array that is no weight, whether it is there or not."""
        self._taken.add(name)

    def finish(self) -> None:
        """Makes sure that all is well and nothing is left.

        Raises:
          DataError: it is not; all that is wrong is listed.
        """
        left = sorted(self._arrays.keys() - self._taken)
        problems = [*self._problems, *(f"{name} has no place" for name in left)]
        if problems:
            shown = problems[:_SHOWN]
            if len(problems) > _SHOWN:
                shown.append(f"and {len(problems) - _SHOWN} more")
            lines = "".join(f"\n  {problem}" for problem in shown)
            raise DataError(
                f"{self._source}: these are not the model's weights. Expected an array"
                " for each of its variables, and no other. Received:"
                f"{lines}\nCompare --layout and the sizes in the configuration."
            )
