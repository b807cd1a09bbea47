"""Finished layers of a quantization on disk, so that a killed job can go on."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from tfmodels.errors import DataError
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.ranges import Ranges

PROGRESS = "progress.json"


class Progress:
    """A folder with a file of codes for each layer, and a manifest of these.

    Args:
      folder: made if absent.

    Raises:
      DataError: it cannot be made, or its manifest is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / PROGRESS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._done = json.loads(path.read_text()) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: finished layers cannot be kept. Expected a writable folder"
                f" with none or a whole {PROGRESS}. Received: {error}. Remove it to"
                " start again."
            ) from None

    @staticmethod
    def key(
        rows: np.ndarray, rule: ClippingRule, moments: np.ndarray | None = None
    ) -> str:
        """What tells weights, rule and inputs from others: a SHA-256."""
        digest = hashlib.sha256(f"{rule.model_dump_json()} {rows.shape}".encode())
        for array in (rows, moments):
            if array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def read(self, path: str, key: str) -> tuple[Ranges, Quantized] | None:
        """A layer that was finished; none if it, or its file, is another."""
        entry = self._done.get(path)
        if entry is None or entry["key"] != key:
            return None
        file = self.folder / entry["file"]
        try:
            if _digest(file) != entry["sha256"]:
                return None
            with np.load(file, allow_pickle=False) as kept:
                values = {name: kept[name] for name in kept.files}
        except (OSError, zipfile.BadZipFile):
            return None
        ranges = Ranges(values["low"], values["high"])
        size = int(values["group_size"]) or None
        codes, scale, offset = (values[n] for n in ("codes", "scale", "offset"))
        return ranges, Quantized(codes, scale, offset, int(values["bits"]), size)

    def write(self, path: str, key: str, ranges: Ranges, quantized: Quantized) -> None:
        """Keeps a layer; its line in the manifest comes last.

        Raises:
          DataError: the disk does not take it.
        """
        name = hashlib.sha256(path.encode()).hexdigest()[:16] + ".npz"
        partial = self.folder / f".{name}"
        try:
            with partial.open("wb") as file:
                np.savez(
                    file,
                    low=ranges.low,
                    high=ranges.high,
                    codes=quantized.codes,
                    scale=quantized.scale,
                    offset=quantized.offset,
                    bits=quantized.bits,
                    group_size=quantized.group_size or 0,
                )
            partial.replace(self.folder / name)
            entry = {"key": key, "file": name, "sha256": _digest(self.folder / name)}
            self._done[path] = entry
            manifest = self.folder / f".{PROGRESS}"
            manifest.write_text(json.dumps(self._done, indent=1))
            manifest.replace(self.folder / PROGRESS)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise DataError(
                f"{path}: the finished layer cannot be kept in {self.folder}. Expected"
                f" a writable folder with free space. Received: {error}."
            ) from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
