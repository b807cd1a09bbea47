"""The artefact's manifest.json: what is in the folder, how it came about, its use."""

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any
from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError

MANIFEST = "manifest.json"
_LARGEST = 16 * 2**20
_PACKAGES = ("tfmodels", "tensorflow", "keras", "numpy", "ai-edge-litert")


class FileEntry(Config):
    """What a file of the artefact must be to be the one that was written."""

    bytes: int
    sha256: str


class Quantization(Config):
    """How a tensor's integers stand for real values: ``(q - zero_point) * scale``."""

    scale: float
    zero_point: int


class TensorEntry(Config):
    """One named input or output of an endpoint."""

    shape: tuple[int | None, ...]
    """Sizes of the axes; null where any size will do."""
    dtype: str
    """Element type in the file: ``float32``, ``int8``, ``uint8``, ``string`` ..."""
    quantization: Quantization | None = None
    """Null for real values."""


class EndpointEntry(Config):
    """The contract of one function of a program."""

    inputs: dict[str, TensorEntry]
    outputs: dict[str, TensorEntry]


class ProgramEntry(Config):
    """One runnable form of the model."""

    path: str
    """File or folder inside the artefact."""
    endpoints: dict[str, EndpointEntry]
    """What it computes, by signature name."""
    operators: dict[str, int] = {}
    """How often each TFLite operator occurs."""
    parts: tuple["ProgramEntry", ...] = ()
    """Files of a chain in their order; tensors of the same name are the same."""


class Manifest(Config):
    """Everything a program needs to trust and to use an artefact."""

    format: Literal[1] = 1
    """Version of this file's layout."""
    preset: str
    """What the artefact was exported for; an entry of `export.presets`."""
    versions: dict[str, str]
    """Python and the packages that wrote the artefact."""
    step: int
    """Training step of the weights."""
    metrics: dict[str, float]
    """The run's final figures, by ``split/name``."""
    preprocessing: dict[str, Any]
    """How to make the input of the device program from what a user has."""
    programs: dict[str, ProgramEntry]
    """Runnable forms by kind: ``saved_model``, ``tflite`` ..."""
    device: str
    """Which of them is for the device."""
    experiment: dict[str, Any]
    """The resolved configuration of the run."""
    files: dict[str, FileEntry]
    """Every other file of the artefact, by its path inside the folder."""
    digest: str = ""
    """SHA-256 of all of the above, so that damage to this file shows too."""

    @pydantic.model_validator(mode="after")
    def _has_the_device_program(self) -> Self:
        if self.device not in self.programs:
            raise ValueError(
                "device must name a program. Expected one of"
                f" {', '.join(self.programs)}. Received {self.device!r}."
            )
        return self

    def sealed(self) -> Self:
        """A copy with its digest filled in."""
        return self.model_copy(update={"digest": self._compute_digest()})

    def check_digest(self) -> None:
        """Refuses a manifest that is not the one that was sealed.

        Raises:
          DataError: something was changed.
        """
        if self.digest != self._compute_digest():
            raise DataError(
                f"{MANIFEST} was changed after it was written. Expected the digest of"
                f" its contents. Received: {self.digest!r}. {_AGAIN}"
            )

    def _compute_digest(self) -> str:
        values = self.model_dump(mode="json", exclude={"digest"})
        content = json.dumps(values, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


_AGAIN = "Copy the artefact again, or export the run again."


def fingerprint(folder: Path) -> dict[str, FileEntry]:
    """Size and SHA-256 of every file below a folder, by path with forward slashes."""
    return {
        path.relative_to(folder).as_posix(): _entry(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape an artefact."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes manifest.json, sealed."""
    text = json.dumps(manifest.sealed().plain(), indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Reads manifest.json and checks every file of the artefact against it.

    Args:
      folder: the artefact.

    Returns:
      The manifest; all files it lists have the size and contents that were written.

    Raises:
      DataError: the folder is no artefact, or a file of it, named, is missing or
        changed.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path} is larger than any manifest: {_LARGEST} bytes.")
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{folder} is not an exported artefact. Expected a folder with a readable"
            f" {MANIFEST}, as 'tfmodels export' writes it. Received: {error.strerror}."
        ) from None
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}. {_AGAIN}") from None
    try:
        manifest = Manifest.parse(values)
    except (ConfigError, pydantic.ValidationError) as error:
        raise DataError(f"{path} is damaged: {error} {_AGAIN}") from None
    manifest.check_digest()
    for name, expected in manifest.files.items():
        _check_file(folder, name, expected)
    return manifest


def _check_file(folder: Path, name: str, expected: FileEntry) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{MANIFEST} lists {name}, which lies outside of the artefact.")
    if not path.is_file():
        raise DataError(f"{path} is missing; {MANIFEST} lists it. {_AGAIN}")
    # The size first: it costs nothing, however large a wrong file is.
    size = path.stat().st_size
    if size != expected.bytes or _entry(path).sha256 != expected.sha256:
        raise DataError(
            f"{path} is damaged. Expected {expected.bytes} bytes with SHA-256"
            f" {expected.sha256}. Received {size} bytes of other contents. {_AGAIN}"
        )


def _entry(path: Path) -> FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(bytes=path.stat().st_size, sha256=digest)
