"""Makes run folders of arrays that other programs have trained."""

from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfmodels.errors import ConfigError
from trainers.experiment import Experiment

if TYPE_CHECKING:
    from trainers.runs import RunFolder

_STAGE = "converted"


def new_folder(workdir: Path) -> "RunFolder":
    """A folder without a run.

    Raises:
      ConfigError: there is one in it.
    """
    from trainers.runs import RunFolder

    folder = RunFolder(workdir)
    if folder.config.exists():
        raise ConfigError(
            f"{workdir} holds a run already. Expected --workdir to be a new folder."
            f" Received {workdir}; choose another."
        )
    return folder


def write_run(
    folder: "RunFolder",
    experiment: Experiment,
    make_arrays: Callable[[], Mapping[str, np.ndarray]],
) -> None:
    """Writes a run of step 0, with which training, evaluation and export go on.

    Args:
      folder: what `new_folder` returned.
      experiment: the configuration of a model of the same sizes.
      make_arrays: makes them by the names of variables in checkpoints, once the
        devices are open.

    Raises:
      DataError: the folder cannot be written.
    """
    from trainers.stages import open_strategy
    from trainers.state import placed_variables

    with open_strategy(experiment) as (strategy, stages):
        state = placed_variables(strategy.build(stages))
        arrays = make_arrays()
        for name, variable in state.items():
            kind, variable_name = name.split("/", 1)
            if variable_name in arrays:
                variable.assign(arrays[variable_name])
            elif kind == "average":
                variable.assign(state[f"model/{variable_name}"])
        # Last, what makes it a run: a disk that fills leaves a folder without one.
        folder.checkpoints().save(state, 0, _STAGE)
        folder.claim(experiment)
