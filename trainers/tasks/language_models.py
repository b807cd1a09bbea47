"""The language models of a recogniser, opened for its search: runs of their own."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfmodels.decoding.varieties import LanguageModels
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.text.graphemes import Graphemes
from tfmodels.transformer.stepping import SteppingTransformer
from trainers.runs import load_run
from trainers.tasks.language_modeling import LanguageModeling

_REST = "all"


def open_language_models(
    runs: Mapping[str, str], graphemes: Graphemes
) -> LanguageModels | None:
    """Opens the newest checkpoints of runs of `language_modeling`.

    Args:
      runs: folder of the run of each variety; ``all`` is that of all others.
      graphemes: the recogniser's units, which theirs must be.

    Returns:
      Models whose weights are constants; None of no runs.

    Raises:
      ConfigError: there is no such variety, or one is without a model; a run is of
        another task, or of other units.
      DataError: there is no such run, or it is damaged.
    """
    if not runs:
        return None
    names = [variety.name for variety in graphemes.varieties]
    unknown = sorted(set(runs) - {*names, _REST})
    without = [name for name in names if name not in runs and _REST not in runs]
    if unknown or without:
        raise ConfigError(
            "task.language_models: varieties and models do not go together. Expected"
            f" one for each of {', '.join(names)}, or for {_REST}. Received"
            f" {', '.join(sorted(runs))}."
        )
    folders = [Path(runs.get(name, runs.get(_REST, ""))) for name in names]
    different = list(dict.fromkeys(folders))
    opened = functools.partial(_open, graphemes=graphemes)
    numbers = tuple(different.index(folder) for folder in folders)
    return LanguageModels(tuple(map(opened, different)), numbers)


def _open(folder: Path, graphemes: Graphemes) -> SteppingTransformer:
    try:
        run = load_run(folder)
    except DataError as error:
        raise DataError(f"task.language_models: {error}") from None
    task = run.task
    if not isinstance(task, LanguageModeling) or task.graphemes is None:
        raise ConfigError(
            f"task.language_models: {folder} is no language model of transcripts."
            " Expected a run of task.kind: language_modeling on data of speech."
            f" Received task.kind: {run.experiment.task.kind} with data.kind:"
            f" {run.experiment.data.kind}."
        )
    if task.graphemes.names != graphemes.names:
        raise ConfigError(
            f"task.language_models: {folder} has other units than the recogniser."
            f" Expected {len(graphemes.names)}: {' '.join(graphemes.names)}. Received"
            f" {len(task.graphemes.names)}: {' '.join(task.graphemes.names)}; train"
            " both on the same data, or with the same data.graphemes."
        )
    config: Any = run.experiment.model
    return SteppingTransformer(run.model, config)
