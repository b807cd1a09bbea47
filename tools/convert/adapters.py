"""Makes a run of packed weights and adapters of a run in floating point."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from tfmodels.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np


def convert_adapters(
    workdir: Path, output: Path, overrides: Sequence[str] = ()
) -> None:
    """Writes a run of step 0, with which training goes on: adapters learn, alone.

    Args:
      workdir: run whose newest checkpoint is packed.
      output: a folder without a run.
      overrides: changes to its configuration, ``model.adapters`` among them.

    Raises:
      ConfigError: the model has no such key, or is packed already.
      DataError: there is no run, or it is damaged.
    """
    from tools.convert.runs import new_folder
    from tools.convert.runs import write_run
    from trainers.runs import RunFolder
    from trainers.runs import load_run

    folder = new_folder(output)
    source = RunFolder(workdir)
    if getattr(source.experiment().model, "adapters", None) is not None:
        raise ConfigError(
            f"{workdir} has packed weights and adapters already. Expected a run in"
            " floating point. Received one with model.adapters; train it on."
        )
    experiment = source.experiment(["model.adapters={}", *overrides])
    model_config: Any = experiment.model

    def arrays() -> "Mapping[str, np.ndarray]":
        from tfmodels.quantization.adapting import adapt

        model = load_run(workdir).model
        adapt(model, model_config.adapters)
        return {each.path: each.numpy() for each in model.weights}

    write_run(folder, experiment, arrays)
