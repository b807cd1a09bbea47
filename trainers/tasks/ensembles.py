"""Other runs that translate together with a task's own model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from tfmodels.errors import ConfigError
from tfmodels.errors import UserError
from tfmodels.text.vocabulary import Vocabulary
from trainers.runs import RunFolder
from trainers.runs import load_run


def open_ensemble(
    folders: Sequence[str], vocabulary: Vocabulary
) -> tuple[keras.Model, ...]:
    """Opens the newest checkpoints of runs of `translation`.

    Args:
      folders: of the runs.
      vocabulary: what all their ids must mean.

    Raises:
      ConfigError: a run is of another task, or of another vocabulary.
      DataError: there is no such run, or it is damaged.
    """
    return tuple(_open(folder, vocabulary) for folder in folders)


def _open(folder: str, vocabulary: Vocabulary) -> keras.Model:
    try:
        kind = RunFolder(Path(folder)).experiment().task.kind
        if kind != "translation":
            raise ConfigError(
                f"{folder} does not translate. Expected a run of task.kind:"
                f" translation. Received {kind}."
            )
        # Alone, or runs that name one another would open for ever.
        run = load_run(folder, ["task.ensemble=[]"])
    except UserError as error:
        raise type(error)(f"task.ensemble: {error}") from None
    task: Any = run.task
    if task.vocabulary != vocabulary:
        raise ConfigError(
            f"task.ensemble: {folder} has another vocabulary. Expected the same pieces,"
            f" {vocabulary.size} with the hash {vocabulary.hash[:12]}. Received"
            f" {task.vocabulary.size} with {task.vocabulary.hash[:12]}; train all runs"
            " with the same data.vocabulary."
        )
    return run.model
