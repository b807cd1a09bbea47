"""Makes a run folder of somebody else's GNMT."""

from pathlib import Path
from typing import Any

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.gnmt.config import GNMTConfig
from tools.convert.layouts import READERS
from tools.convert.layouts import Layout
from tools.convert.weights import Weights
from trainers.experiment import Experiment


def convert_gnmt(
    path: Path,
    experiment: Experiment,
    layout: Layout,
    workdir: Path,
    forget_bias: float = 1.0,
) -> None:
    """Writes a run of step 0, with which training, evaluation and export go on.

    Args:
      path: a .npz file of the weights under their own names.
      experiment: a translation task with a model of the same sizes.
      layout: whose they are.
      workdir: a folder without a run.
      forget_bias: what tensorflow/nmt adds to forget gates at run time (its
        ``--forget_bias``); PyTorch adds nothing.

    Raises:
      ConfigError: the configuration describes another model, or the folder holds a
        run.
      DataError: the file is damaged, or arrays are missing, left over or misshapen.
    """
    from tools.convert.runs import new_folder
    from tools.convert.runs import write_run

    folder = new_folder(workdir)
    config: Any = experiment.model
    arrays = read_gnmt(Weights.read(path), config, layout, forget_bias)
    write_run(folder, experiment, lambda: arrays)


def read_gnmt(
    weights: Weights, config: Any, layout: Layout, forget_bias: float = 1.0
) -> dict[str, np.ndarray]:
    """Our arrays, float32, by their names in checkpoints.

    Raises:
      ConfigError: the configuration describes another model.
      DataError: arrays are missing, left over or misshapen.
    """
    reader = READERS[layout]
    if not isinstance(config, GNMTConfig):
        raise ConfigError(
            "these weights are of a translation model. Expected model.kind: gnmt."
            f" Received model.kind: {config.kind}."
        )
    wrong = [
        f"model.{_key(key)}: {' or '.join(map(_text, allowed))} expected,"
        f" {_text(getattr(config, key))} received"
        for key, allowed in reader.settings.items()
        if getattr(config, key) not in allowed
    ]
    if wrong:
        raise ConfigError(
            f"models of the layout {layout} are built otherwise. Change these keys of"
            f" the configuration: {'; '.join(wrong)}."
        )
    arrays = reader.read(weights, config, forget_bias)
    weights.finish()
    return arrays


def _key(name: str) -> str:
    return "num_biases" if name == "biases" else name


def _text(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    return str(value)
