"""Makes a run folder of somebody else's decoder-only language model."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.transformer.config import TransformerConfig
from tools.convert.architectures import check_model
from tools.convert.llama2c import read_llama2c
from tools.convert.packed import read_packed
from tools.convert.transformers import family_of
from tools.convert.weights import Weights
from trainers.data.config import StoriesData
from trainers.experiment import Experiment


def convert_transformer(path: Path, experiment: Experiment, workdir: Path) -> None:
    """Writes a run of step 0, with which training, evaluation and export go on.

    Args:
      path: a .bin file of llama2.c, version 0, or a .safetensors file.
      experiment: a language modelling task with a model of the same sizes.
      workdir: a folder without a run.

    Raises:
      ConfigError: the configuration describes another model, or the folder holds a
        run.
      DataError: the file is damaged, of an unknown architecture, or arrays are missing,
        left over or misshapen.
    """
    from tools.convert.runs import new_folder
    from tools.convert.runs import write_run

    folder = new_folder(workdir)
    arrays = read_transformer(path, experiment.model)
    own = workdir / "pieces.json"
    try:
        if isinstance(experiment.data, StoriesData):
            experiment = _with_pieces(experiment, experiment.data, own)
        write_run(folder, experiment, lambda: arrays)
    finally:
        if not folder.config.exists():
            own.unlink(missing_ok=True)


def _with_pieces(experiment: Experiment, data: StoriesData, own: Path) -> Experiment:
    """The same with the tokenizer in a file of its own."""
    from trainers.data.tokens.stories import open_pieces
    from trainers.files import write_atomically

    plain = open_pieces(data.tokenizer).plain()
    write_atomically(own, json.dumps(plain, ensure_ascii=False, indent=0))
    changed = data.model_copy(update={"tokenizer": str(own)})
    return experiment.model_copy(update={"data": changed})


def read_transformer(path: Path, config: Any) -> dict[str, np.ndarray]:
    """Our arrays of a file of weights; see `convert_transformer`."""
    if not isinstance(config, TransformerConfig):
        raise ConfigError(
            "these weights are of a language model. Expected model.kind: transformer."
            f" Received model.kind: {config.kind}."
        )
    if path.suffix == ".bin":
        return read_llama2c(path, config)
    arrays = read_packed(path)
    family, start = family_of(arrays, path)
    check_model(config, family.settings, path)
    weights = Weights(arrays, str(path))
    made = family.read(weights, start, config)
    weights.finish()
    return made
