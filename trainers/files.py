"""Writing the files of a run: whole or not at all, failures as sentences."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from tfmodels.errors import DataError


@contextmanager
def writing(what: object) -> Iterator[None]:
    """Context in which something is written; `what` is its name or path.

    Raises:
      DataError: it could not be, for want of space or permission.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise DataError(
            f"Cannot write {what}. Expected a writable folder with free space;"
            f" received: {describe(error)}. Nothing written before is lost."
        ) from None


def describe(error: Exception) -> str:
    """What the system says went wrong, without TensorFlow's names of operations."""
    text = str(getattr(error, "message", error))
    text = text.removeprefix("Graph execution error:").lstrip().partition("\n")[0]
    return text.split("}} ")[-1].split(" [Op:")[0].rstrip(" .")


def write_atomically(path: Path, text: str) -> None:
    """Writes a file so that readers see the old or the new content, never a part.

    Raises:
      DataError: the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
