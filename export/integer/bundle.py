"""The integer engine's numbers on disk: arrays in one file, facts in another."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Self

import numpy as np

from export.integer.matrix import IntegerMatrix
from tfmodels.errors import DataError

ARRAYS = "integer.npz"
FACTS = "integer.json"


@dataclass(frozen=True, eq=False)
class Bundle:
    """All that an engine of another language needs."""

    matrices: Mapping[str, IntegerMatrix]
    """Weights by name; in the file ``<name>/values`` and ``<name>/scales``."""
    arrays: Mapping[str, np.ndarray]
    """What is no matrix of integers, by name: tables, weights of the attention."""
    facts: Mapping[str, Any]
    """JSON-like: sizes, bounds, what is connected to what."""

    def save(self, folder: Path) -> None:
        """Writes both files into a folder that exists."""
        arrays: dict[str, Any] = {
            f"{name}/{part}": array
            for name, matrix in self.matrices.items()
            for part, array in (("values", matrix.values), ("scales", matrix.scales))
        }
        np.savez(folder / ARRAYS, **{**arrays, **self.arrays})
        facts = {"matrices": sorted(self.matrices), **self.facts}
        text = json.dumps(facts, indent=2, sort_keys=True)
        (folder / FACTS).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
          DataError: a file is missing or damaged.
        """
        try:
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            with np.load(folder / ARRAYS) as file:
                arrays = {name: file[name] for name in file.files}
            matrices = {
                name: IntegerMatrix(
                    arrays.pop(f"{name}/values"), arrays.pop(f"{name}/scales")
                )
                for name in facts.pop("matrices")
            }
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{folder}: not a whole integer model. Expected {ARRAYS} and {FACTS} of"
                f" one export; received {type(error).__name__}: {error}. Export again."
            ) from None
        return cls(matrices, arrays, facts)
