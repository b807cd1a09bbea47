"""Checkpoints that are whole or absent: written aside, hashed, verified when read."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfmodels.errors import DataError
from trainers.files import describe

_LOG = logging.getLogger(__name__)
_FORMAT = 1
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint folder whose files have been found intact."""

    path: Path
    step: int
    stage: str
    """Name of the training stage whose optimizer the checkpoint holds."""
    shapes: dict[str, tuple[int, ...]]
    """Shape of every tensor by name."""

    def read(self, names: list[str]) -> dict[str, tf.Tensor]:
        """Reads some tensors; their dtypes are those they were written with."""
        reader = tf.train.load_checkpoint(str(self.path / "state"))
        return {name: tf.constant(reader.get_tensor(name)) for name in names}


class CheckpointStore:
    """The `checkpoints` folder of a run, newest `keep` checkpoints.

    Each is a folder ``step-N`` with the variables in TensorFlow's checkpoint format
    under layout-independent names, and a manifest with the size and SHA-256 of each
    file. It appears under its name only once complete.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        """`folder` is created at the first save."""
        self._folder = folder
        self._keep = keep

    def save(self, state: dict[str, Any], step: int, stage: str) -> Path:
        """Writes a checkpoint, then removes the oldest beyond the number to keep.

        Raises:
          DataError: it could not be written; earlier checkpoints are untouched.
        """
        # Not below: to read them from other processes may fail for its own reasons.
        tensors = {name: tf.convert_to_tensor(state[name]) for name in sorted(state)}
        final = self._folder / f"step-{step:08d}"
        partial = self._folder / f".{final.name}.partial"
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            _write(partial, tensors, step, stage)
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise DataError(
                f"The checkpoint of step {step} could not be saved in {self._folder}."
                " Expected a writable folder with free space; received:"
                f" {describe(error)}. Earlier checkpoints are intact: free some space,"
                " then run the same command again to resume."
            ) from None
        self._prune(step)
        return final

    def _prune(self, step: int) -> None:
        """Removes what is too old, and what a killed process left half written."""
        # A damaged checkpoint of a later step must not crowd out an intact one.
        saved = [path for number, path in self._candidates() if number <= step]
        for old in [*saved[self._keep :], *self._folder.glob(".step-*.partial")]:
            shutil.rmtree(old, ignore_errors=True)

    def latest(self, most: int | None = None) -> Checkpoint | None:
        """The newest intact checkpoint, or none if there never was one.

        Args:
          most: its step at most; any when absent.

        Raises:
          DataError: there are checkpoints, and not one of them is intact.
        """
        candidates = self._candidates()
        if most is not None:
            candidates = [each for each in candidates if each[0] <= most]
        for _, path in candidates:
            try:
                return _open(path)
            except (DataError, OSError, ValueError) as error:
                _LOG.warning("Passing over checkpoint %s: %s.", path.name, error)
        if candidates:
            raise DataError(
                f"None of the {len(candidates)} checkpoints in {self._folder} is"
                " intact. Restore them from a copy, or start again with another"
                " --workdir."
            )
        return None

    def _candidates(self) -> list[tuple[int, Path]]:
        """Checkpoint folders with their steps, newest first."""
        found = []
        for path in self._folder.glob("step-*"):
            number = path.name.removeprefix("step-")
            if number.isdigit() and path.is_dir():
                found.append((int(number), path))
        return sorted(found, reverse=True)


def _write(folder: Path, tensors: dict[str, tf.Tensor], step: int, stage: str) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(folder / "state"),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    files = {path.name: _fingerprint(path) for path in sorted(folder.iterdir())}
    manifest = {
        "format": _FORMAT,
        "step": step,
        "stage": stage,
        "tensors": {name: list(tensor.shape) for name, tensor in tensors.items()},
        "files": files,
    }
    manifest["digest"] = _digest(manifest)
    with (folder / _MANIFEST).open("w") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _open(path: Path) -> Checkpoint:
    manifest = json.loads((path / _MANIFEST).read_text())
    # Checked before anything in it is believed: a flipped bit may change the step.
    digest = manifest.pop("digest", None) if isinstance(manifest, dict) else None
    if digest is None or digest != _digest(manifest):
        raise DataError(f"the contents of {_MANIFEST} are not what was written")
    if manifest["format"] != _FORMAT:
        raise DataError(f"format {manifest['format']}, expected {_FORMAT}")
    for name, expected in manifest["files"].items():
        with (path / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != expected["sha256"]:
            raise DataError(f"the contents of {name} are not what was written")
    shapes = {name: tuple(shape) for name, shape in manifest["tensors"].items()}
    return Checkpoint(path, manifest["step"], manifest["stage"], shapes)


def restore(checkpoint: Checkpoint, state: dict[str, Any]) -> None:
    """Assigns a checkpoint's values to variables of the same names.

    Args:
      checkpoint: an intact checkpoint; tensors that `state` does not name are left.
      state: variables by checkpoint name.

    Raises:
      DataError: the checkpoint is of another model; nothing has been assigned.
    """
    problems = list(_mismatches(checkpoint, state))
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DataError(
            f"Checkpoint {checkpoint.path} belongs to another model. Expected the"
            f" variables of this one; received: {'; '.join(problems[:5])}{more}."
        )
    for name, value in checkpoint.read(list(state)).items():
        state[name].assign(value)


def _mismatches(checkpoint: Checkpoint, state: dict[str, Any]) -> Iterator[str]:
    parts = {name.split("/")[0] for name in state}
    for name, variable in state.items():
        if name not in checkpoint.shapes:
            yield f"{name} is missing"
        elif checkpoint.shapes[name] != tuple(variable.shape):
            yield f"{name} has shape {checkpoint.shapes[name]}, not {variable.shape}"
    for name in checkpoint.shapes:
        if name.split("/")[0] in parts and name not in state:
            yield f"{name} has no place in the model"
