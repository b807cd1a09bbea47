"""What leaves for a device: `export` a run, `load` the artefact, `verify` it."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from export.loading import Artefact
    from export.verification import Verification

__all__ = ["export", "load", "open_stream", "verify"]


def export(
    workdir: str | PathLike[str],
    preset: str,
    output: str | PathLike[str],
    overrides: Sequence[str] = (),
) -> Path:
    """Exports the newest checkpoint of a run as a folder that stands on its own.

    Args:
      workdir: folder of a trained run.
      preset: ``saved_model``, ``tflite_int8`` ...: see `export.presets.PRESETS`.
      output: the artefact's folder; must not exist, or be empty.
      overrides: changes to the run's configuration, such as
        ``export.calibration_examples=50``.

    Returns:
      The path of the artefact.

    Raises:
      ConfigError: there is no such preset, or `output` is in use.
      DataError: the run cannot be read, or the artefact cannot be written.
      CheckFailed: the model cannot take the preset's form.
    """
    from export.artefact import write_artefact

    return write_artefact(workdir, preset, output, overrides)


def load(artefact: str | PathLike[str], overrides: Sequence[str] = ()) -> "Artefact":
    """Opens an artefact after checking every file of it.

    Args:
      artefact: folder that `export` wrote.
      overrides: changes to keys that are still open, such as a synthesiser's voice,
        ``task.speaker=m3``.

    Returns:
      An object whose ``predict`` takes what a user has and gives what a user wants.

    Raises:
      ConfigError: what was exported depends on a key that is to be changed.
      DataError: the folder is no artefact, or a file is missing or damaged.
    """
    from export.loading import load_artefact

    return load_artefact(artefact, overrides)


def open_stream(
    folder: str | PathLike[str], overrides: Sequence[str] = ()
) -> Callable[[str], Iterator[Any]]:
    """Opens a run or an artefact that understands while somebody speaks, or speaks
    while it makes the sound.

    Args:
      folder: of either.
      overrides: changes to the run's configuration; of an artefact's see `load`.

    Returns:
      A function of a recording's path, or of a text. Of a recording it yields
      `export.transcribing.Partial`, what is understood of ever more of it, at last what
      is of the whole; of a text `trainers.tasks.spoken.Spoken`, one part after another.

    Raises:
      ConfigError: it answers whole inputs only.
      DataError: the folder cannot be read.
    """
    from export.live import open_live

    return open_live(folder, overrides)


def verify(artefact: str | PathLike[str], max_examples: int = 2000) -> "Verification":
    """Compares Keras, SavedModel and TFLite on the same held-out examples.

    Args:
      artefact: folder that `export` wrote.
      max_examples: a larger split is sampled at even distances.

    Returns:
      The figures of every form, all within their bounds.

    Raises:
      CheckFailed: a bound is exceeded; all that are, are listed.
      DataError: the artefact is damaged, or the examples cannot be read.
    """
    from export.verification import verify_artefact

    verification = verify_artefact(load(artefact), max_examples)
    verification.check()
    return verification
