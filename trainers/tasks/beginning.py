"""A recogniser begun from a run of another one that is told no variety."""

from pathlib import Path
from typing import Any

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.las.model import LAS
from tfmodels.las.starting import start_from
from tfmodels.text.graphemes import Graphemes
from trainers.runs import load_run


def begin_from(model: LAS, folder: Path, graphemes: Graphemes, seed: int) -> None:
    """Gives a recogniser the weights of a run's newest checkpoint.

    Args:
      model: the one to begin; see `tfmodels.las.starting.start_from`.
      folder: the run.
      graphemes: the units of `model`, which the run's must be.
      seed: of the noise between clusters.

    Raises:
      ConfigError: the run is of no such model, or of other units.
      DataError: there is no such run, or it is damaged.
    """
    try:
        run = load_run(folder)
    except DataError as error:
        raise DataError(f"task.start_from: {error}") from None
    if not isinstance(run.model, LAS):
        config: Any = run.experiment.model
        raise ConfigError(
            f"task.start_from: {folder} is no recogniser. Expected a run of model.kind:"
            f" las. Received model.kind: {config.kind}."
        )
    names = getattr(run.task, "graphemes", graphemes).names
    if names != graphemes.names:
        raise ConfigError(
            f"task.start_from: {folder} has other units. Expected"
            f" {' '.join(graphemes.names)}. Received {' '.join(names)}; train both on"
            " the same data, or with the same data.graphemes."
        )
    start_from(model, run.model, seed=seed)
