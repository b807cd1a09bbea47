"""Answers while the input or the answer is still coming: of a run or an artefact."""

import functools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from export.artefact import in_float32
from export.interfaces import Program
from export.interfaces import Signatures
from export.loading import load_artefact
from export.manifest import MANIFEST
from export.runtime import KerasProgram
from export.signatures import signatures_class
from tfmodels.errors import ConfigError
from trainers.runs import load_run


def open_live(
    folder: str | PathLike[str], overrides: Sequence[str] = ()
) -> Callable[[str], Iterator[Any]]:
    """See `export.open_stream`."""
    signatures, program = _opened(Path(folder), overrides)
    stream = getattr(signatures, "stream", None)
    if stream is None:
        raise ConfigError(
            f"{folder} answers whole inputs only. Expected a recogniser or a"
            " synthesiser of speech, task.kind: speech_recognition or speech_synthesis,"
            " or no --stream. Received a model of another task."
        )
    return functools.partial(stream, program)


def _opened(folder: Path, overrides: Sequence[str]) -> tuple[Signatures, Program]:
    if (folder / MANIFEST).exists():
        artefact = load_artefact(folder, overrides)
        return artefact.signatures, artefact.device
    run = load_run(folder, overrides)
    cls = signatures_class(run.experiment.task.kind)
    signatures = cls(run.experiment, cls.files_of(run.task))
    model = signatures.deployed(in_float32(run.model, run.experiment.model))
    return signatures, KerasProgram(signatures.device(model))
