"""The only reader of artefacts: checks what it is given, then runs it."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import keras

from export.integer.program import IntegerProgram
from export.interfaces import Program
from export.interfaces import SavedProgram
from export.interfaces import Signatures
from export.lite_runtime import LiteProgram
from export.lite_runtime import LitePrograms
from export.lite_runtime import StagedLiteProgram
from export.manifest import Manifest
from export.manifest import read_manifest
from export.presets import find_preset
from export.runtime import KerasProgram
from export.runtime import SavedModelProgram
from export.signatures import signatures_class
from tfmodels.catalog import find
from tfmodels.compression.integers import IntegerModel
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.configuration import override
from trainers.experiment import Experiment

_PROGRAMS: dict[str, Callable[[Path], SavedProgram]] = {
    "saved_model": SavedModelProgram,
    "saved_model_clipped": SavedModelProgram,
    "tflite": LiteProgram,
    "tflite_files": LitePrograms,
    "tflite_stages": StagedLiteProgram,
    "integer": IntegerProgram,
}


# Layers and models that say their configuration themselves are registered with Keras.
_WRAPPERS = {"IntegerModel": IntegerModel}


class Artefact:
    """An exported model whose files have been found intact.

    ```
    artefact = export.load("out/g")
    artefact.predict("digit.png").label
    ```
    """

    def __init__(self, path: Path, manifest: Manifest, experiment: Experiment) -> None:
        """Made by `load_artefact`, which checks the files first."""
        self.path = path
        self.manifest = manifest
        self.experiment = experiment

    @cached_property
    def signatures(self) -> Signatures:
        """What the artefact's kind of task exports."""
        cls = signatures_class(self.experiment.task.kind)
        names = [name for name in cls.file_names if name in self.manifest.files]
        files = {name: (self.path / name).read_text(encoding="utf-8") for name in names}
        return cls(self.experiment, files)

    @cached_property
    def programs(self) -> dict[str, SavedProgram]:
        """All runnable forms by kind."""
        return {
            kind: open_program(kind, self.path / entry.path)
            for kind, entry in self.manifest.programs.items()
        }

    def reference(self) -> Program:
        """The same computation by Keras, from ``model.keras``.

        Raises:
          DataError: Keras cannot read the file.
        """
        path = self.path / "model.keras"
        find(
            self.experiment.model.plain()["kind"]
        ).function()  # Keras must know its layers.
        try:
            model = keras.saving.load_model(path, _WRAPPERS, compile=False)
        except (ValueError, TypeError, OSError) as error:
            raise DataError(f"Keras cannot read {path}: {error}") from None
        return KerasProgram(self.signatures.device(model))

    def predict(self, source: str | PathLike[str]) -> Any:
        """The answer for one input a user has, by the form made for the device.

        Args:
          source: a path to an image, or what else the task takes.

        Raises:
          DataError: the input is missing or unreadable.
        """
        return self.signatures.predict(self.device, str(source))

    def parts(self, source: str | PathLike[str]) -> Iterator[str]:
        """What `predict` answers, in words, each part as soon as it is known.

        Raises:
          DataError: the input is missing or unreadable.
        """
        parts = getattr(self.signatures, "parts", None)
        if parts is None:
            yield str(self.predict(source))
        else:
            yield from parts(self.device, str(source))

    @property
    def floating(self) -> tuple[str, ...]:
        """Endpoints for the device that compute in floating point, with int8 weights,
        though its preset calibrates ranges."""
        entry = self.manifest.programs[self.manifest.device]
        if self.manifest.device != "tflite_files":
            return ()
        return tuple(n for n in self.signatures.floating if n in entry.endpoints)

    @cached_property
    def device(self) -> SavedProgram:
        """The form made for the device."""
        kind = self.manifest.device
        return open_program(kind, self.path / self.manifest.programs[kind].path)


def load_artefact(path: str | PathLike[str], overrides: Sequence[str] = ()) -> Artefact:
    """Reads an artefact after checking every file of it.

    Nothing in the folder is ever executed as Python: the Keras file is read in safe
    mode, the other forms are graphs.

    Args:
      path: the artefact's folder.
      overrides: changes to keys that are still open, such as ``task.speaker=m3``.

    Raises:
      ConfigError: what was exported depends on a key that is to be changed.
      DataError: the folder is no artefact, or a file is missing or damaged.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    try:
        find_preset(manifest.preset)
        experiment = Experiment.parse(manifest.experiment)
    except ConfigError as error:
        raise DataError(
            f"{folder} was exported by an incompatible version: {error}"
        ) from None
    if overrides:
        experiment = with_changes(folder, experiment, overrides)
    return Artefact(folder, manifest, experiment)


def with_changes(
    folder: Path, experiment: Experiment, overrides: Sequence[str]
) -> Experiment:
    """The configuration of an artefact with changes to keys that are still open.

    Raises:
      ConfigError: what was exported depends on a key that is to be changed.
    """
    values = experiment.plain()
    keys = getattr(signatures_class(experiment.task.kind), "adjustable", ())
    for text in overrides:
        if text.partition("=")[0].strip() not in keys:
            named = f"one of the keys {', '.join(keys)}, or " if keys else ""
            raise ConfigError(
                f"--set: {folder} is an artefact, whose configuration is fixed."
                f" Expected {named}a run's folder. Received --set {text}."
            )
        override(values, text)
    return Experiment.parse(values)


def open_program(kind: str, path: Path) -> SavedProgram:
    """Opens one runnable form of a model.

    Raises:
      DataError: there is no such kind, or the file is not of it.
    """
    if kind not in _PROGRAMS:
        raise DataError(
            f"{path} is a program of an unknown kind. Expected one of"
            f" {', '.join(_PROGRAMS)}. Received {kind!r}."
        )
    return _PROGRAMS[kind](path)
