"""Networks for images of other programs: read into a run, and a run's under theirs."""

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfmodels.config import Config
from tfmodels.errors import ConfigError
from tools.convert import googlenet
from tools.convert import inception_v4
from tools.convert.architectures import check_model
from tools.convert.keras_applications import KERAS
from tools.convert.places import Naming
from tools.convert.places import Place
from tools.convert.places import Shapes
from tools.convert.weights import Weights
from trainers.experiment import Experiment


class ImageLayout(enum.StrEnum):
    """Programs whose weights can be read and written."""

    SLIM = "slim"
    TORCHVISION = "torchvision"
    TIMM = "timm"
    KERAS = "keras"


NAMINGS: Mapping[tuple[str, ImageLayout], Naming] = {
    ("googlenet", ImageLayout.SLIM): googlenet.SLIM,
    ("googlenet", ImageLayout.TORCHVISION): googlenet.TORCHVISION,
    ("inception_v4", ImageLayout.SLIM): inception_v4.SLIM_V4,
    ("inception_v4", ImageLayout.TIMM): inception_v4.TIMM_V4,
    ("inception_resnet_v2", ImageLayout.SLIM): inception_v4.SLIM_RESNET,
    ("inception_resnet_v2", ImageLayout.TIMM): inception_v4.TIMM_RESNET,
    ("inception_resnet_v2", ImageLayout.KERAS): KERAS,
}
"""How each network is named, by the kind of our model and by the program."""


def find_naming(config: Config, layout: ImageLayout, source: Path) -> Naming:
    """How a program names a model's arrays.

    Args:
      config: of our model.
      layout: whose names they are.
      source: what has such arrays, for messages.

    Raises:
      ConfigError: the program has no such network, or one that is wired otherwise.
    """
    kind = getattr(config, "kind", None)
    naming = NAMINGS.get((str(kind), layout))
    if naming is None:
        known = [f"{one} in the layout {other}" for one, other in NAMINGS]
        raise ConfigError(
            "model.kind: the program has no such network. Expected"
            f" {', '.join(known)}. Received model.kind: {kind} and --layout {layout};"
            " change either."
        )
    check_model(config, naming.settings, source)
    return naming


def read_arrays(
    weights: Weights, places: Mapping[str, Place], shapes: Shapes
) -> dict[str, np.ndarray]:
    """Our arrays, float32, by the paths of our variables.

    Where theirs has a class more, the first one, background, is left out.

    Args:
      weights: theirs.
      places: of our variables, among theirs.
      shapes: of our variables.

    Raises:
      DataError: arrays are missing, left over or misshapen.
    """
    made = {}
    for path, shape in shapes.items():
        place = places[path]
        other = place.other_name
        name = other if other is not None and weights.has(other) else place.name
        more = (*shape[:-1], shape[-1] + 1)
        if place.background and weights.shape(name) == place.shape(more):
            theirs = weights.take(name, *place.shape(more))
            made[path] = place.ours(theirs, more)[..., 1:]
        else:
            made[path] = place.ours(weights.take(name, *place.shape(shape)), shape)
        if name.endswith(".running_mean"):  # torch counts batches beside it
            counter = name.replace("running_mean", "num_batches_tracked")
            weights.pass_over(counter)
    weights.finish()
    return made


def named_as(
    variables: Mapping[str, np.ndarray], places: Mapping[str, Place]
) -> dict[str, np.ndarray]:
    """Our arrays under somebody else's names and in their order of axes."""
    return {
        places[path].name: places[path].theirs(value)
        for path, value in variables.items()
    }


def convert_classifier(
    path: Path, experiment: Experiment, layout: ImageLayout, workdir: Path
) -> None:
    """Writes a run of step 0, with which training, evaluation and export go on.

    Args:
      path: a file of the weights under their own names.
      experiment: a classifier of images with a model wired as theirs.
      layout: whose they are.
      workdir: a folder without a run.

    Raises:
      ConfigError: the configuration describes another model, or the folder holds a
        run.
      DataError: the file is damaged, or arrays are missing, left over or misshapen.
    """
    from tools.convert.runs import new_folder
    from tools.convert.runs import write_run
    from trainers.tasks.models import build_model

    config = experiment.model
    naming = find_naming(config, layout, path)
    folder, weights = new_folder(workdir), naming.read(path)

    def arrays() -> dict[str, np.ndarray]:
        model = build_model(config, experiment.run.precision)
        shapes = {v.path: tuple(v.shape) for v in model.weights}
        return read_arrays(weights, naming.places(config, shapes), shapes)

    write_run(folder, experiment, arrays)


def write_names(run: Path, layout: ImageLayout, output: Path) -> None:
    """Writes the weights of a run's newest checkpoint under somebody else's names.

    Args:
      run: folder of a run of an image classifier.
      layout: whose names are wanted.
      output: a .npz file that does not exist.

    Raises:
      ConfigError: theirs has no such network, or there is such a file.
      DataError: the run cannot be read, or the file cannot be written.
    """
    from trainers.files import writing
    from trainers.runs import load_run

    if output.exists():
        raise ConfigError(
            f"{output} is already there. Expected --output to be a new file. Received"
            f" {output}; remove it or choose another."
        )
    opened = load_run(run)
    config = opened.experiment.model
    naming = find_naming(config, layout, run)
    variables = {v.path: v.numpy() for v in opened.model.weights}
    shapes = {path: value.shape for path, value in variables.items()}
    arrays: Any = named_as(variables, naming.places(config, shapes))
    with writing(output), output.open("xb") as file:
        np.savez(file, **arrays)
