"""GoogLeNet of TF-Slim and torchvision: their names, read into a run and written."""

import enum
import re
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.googlenet.config import GoogLeNetConfig
from tools.convert.weights import Weights
from trainers.experiment import Experiment

Shape = tuple[int, ...]


class ImageLayout(enum.StrEnum):
    """Programs whose weights can be read and written."""

    SLIM = "slim"
    TORCHVISION = "torchvision"


class Place(NamedTuple):
    """Where one of our variables is among somebody else's arrays."""

    name: str
    axes: tuple[int, ...] | None = None
    """Of ours, in the order of theirs; the same when None."""
    split: Shape | None = None
    """What the axes are of, if theirs has axes that are one of ours."""
    wanted: Shape | None = None
    """Shape of theirs, if it has axes that ours has not."""

    def shape(self, ours: Shape) -> Shape:
        """Of theirs, from that of ours."""
        if self.wanted is not None:
            return self.wanted
        parts = self.split or ours
        moved = [parts[axis] for axis in self.axes] if self.axes else list(parts)
        if self.split is not None:  # what was split is one axis of theirs as well
            moved = [moved[0], int(np.prod(moved[1:]))]
        return tuple(moved)

    def ours(self, theirs: np.ndarray, shape: Shape) -> np.ndarray:
        """Our array of such a shape."""
        if self.axes is None:
            return theirs.reshape(shape)
        parts = self.split or shape
        moved = theirs.reshape([parts[axis] for axis in self.axes])
        return moved.transpose(np.argsort(self.axes)).reshape(shape)

    def theirs(self, ours: np.ndarray) -> np.ndarray:
        """The inverse of `ours`."""
        if self.axes is None:
            return ours.reshape(self.shape(ours.shape))
        parts = ours.reshape(self.split or ours.shape)
        return parts.transpose(self.axes).reshape(self.shape(ours.shape))


_SLIM_MODULES = dict(
    zip(
        ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"),
        ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"),
        strict=True,
    )
)
_SLIM_STEM = {
    "conv1": "Conv2d_1a_7x7",
    "conv2_reduce": "Conv2d_2b_1x1",
    "conv2": "Conv2d_2c_3x3",
}
_TORCH_STEM = {"conv1": "conv1", "conv2_reduce": "conv2", "conv2": "conv3"}
_SLIM_NORM = {name: f"BatchNorm/{name}" for name in ("beta", "moving_mean")}
_SLIM_NORM["moving_variance"] = "BatchNorm/moving_variance"
_TORCH_NORM = {
    "gamma": "bn.weight",
    "beta": "bn.bias",
    "moving_mean": "bn.running_mean",
    "moving_variance": "bn.running_var",
}
# Ours is height, width, inputs, outputs.
_OIHW = (3, 2, 0, 1)
# A side head looks at 4 x 4 places; theirs flattens channels first.
_SIDE = 4


def slim_place(path: str, shape: Shape) -> Place:
    """Of a variable with a path such as ``3a_branch2_2_3x3_conv/kernel``."""
    layer, kind = path.split("/")
    if layer == "logits":
        theirs = "InceptionV1/Logits/Conv2d_0c_1x1/"
        if kind == "bias":
            return Place(f"{theirs}biases")
        return Place(f"{theirs}weights", wanted=(1, 1, *shape))
    base, _, _ = layer.rpartition("_")
    found = re.fullmatch(r"(\d[a-e])_branch(\d)_(\d)_\w+", base)
    if found is None:
        place = _SLIM_STEM[base]
    else:
        module, branch, number = found.groups()
        name = "Conv2d_0a_1x1" if number == "1" else "Conv2d_0b_3x3"
        if branch == "4":
            name = "Conv2d_0b_1x1"
        # Frozen in public checkpoints.
        if (module, branch, number) == ("5a", "3", "2"):
            name = "Conv2d_0a_3x3"
        place = f"Mixed_{_SLIM_MODULES[module]}/Branch_{int(branch) - 1}/{name}"
    return Place(f"InceptionV1/{place}/{_SLIM_NORM.get(kind, 'weights')}")


def torchvision_place(path: str, shape: Shape) -> Place:
    """Of a variable with a path such as ``3a_branch2_2_3x3_conv/kernel``."""
    layer, kind = path.split("/")
    dense = re.fullmatch(r"(?:(aux\d)_)?(hidden_dense|logits)", layer)
    if dense is not None:
        head, name = dense.groups()
        theirs = {"hidden_dense": "fc1", "logits": "fc2" if head else "fc"}[name]
        place = f"{head}.{theirs}" if head else theirs
        if kind == "bias":
            return Place(f"{place}.bias")
        if name == "hidden_dense":
            split = (_SIDE, _SIDE, shape[0] // _SIDE**2, shape[1])
            return Place(f"{place}.weight", (3, 2, 0, 1), split)
        return Place(f"{place}.weight", (1, 0))
    base, _, _ = layer.rpartition("_")
    found = re.fullmatch(r"(\d[a-e])_branch(\d)_(\d)_\w+", base)
    if found is None:
        place = f"{base}.conv" if base.startswith("aux") else _TORCH_STEM[base]
    else:
        module, branch, number = found.groups()
        place = f"inception{module}.branch{branch}"
        if branch != "1":
            place += f".{int(number) - 1}"
    if kind == "kernel":
        return Place(f"{place}.conv.weight", _OIHW)
    return Place(f"{place}.{_TORCH_NORM[kind]}")


PLACES: dict[ImageLayout, Callable[[str, Shape], Place]] = {
    ImageLayout.SLIM: slim_place,
    ImageLayout.TORCHVISION: torchvision_place,
}


def read_googlenet(
    weights: Weights, shapes: Mapping[str, Shape], layout: ImageLayout
) -> dict[str, np.ndarray]:
    """Our arrays, float32, by the paths of our variables.

    TF-Slim's class 0, background, is left out where ours has a class less.

    Args:
      weights: theirs.
      shapes: of our variables.
      layout: whose names they are.

    Raises:
      DataError: arrays are missing, left over or misshapen.
    """
    made = {}
    for path, shape in shapes.items():
        place = PLACES[layout](path, shape)
        wanted = place.shape(shape)
        more = (*wanted[:-1], wanted[-1] + 1)
        of_classes = layout == ImageLayout.SLIM and path.startswith("logits/")
        if of_classes and weights.shape(place.name) == more:
            theirs = weights.take(place.name, *more)[..., 1:]
        else:
            theirs = weights.take(place.name, *wanted)
        made[path] = place.ours(theirs, shape)
        if place.name.endswith(".running_mean"):  # torch counts batches beside it
            counter = place.name.replace("running_mean", "num_batches_tracked")
            weights.pass_over(counter)
    weights.finish()
    return made


def named_as(
    variables: Mapping[str, np.ndarray], layout: ImageLayout
) -> dict[str, np.ndarray]:
    """Our arrays under somebody else's names and in their order of axes."""
    made = {}
    for path, value in variables.items():
        place = PLACES[layout](path, value.shape)
        made[place.name] = place.theirs(value)
    return made


def convert_googlenet(
    path: Path, experiment: Experiment, layout: ImageLayout, workdir: Path
) -> None:
    """Writes a run of step 0, with which training, evaluation and export go on.

    Args:
      path: a .npz file of the weights under their own names.
      experiment: a classifier of images with a model of that variant.
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
    check_variant(config, layout)
    folder, weights = new_folder(workdir), Weights.read(path)

    def arrays() -> dict[str, np.ndarray]:
        model = build_model(config, experiment.run.precision)
        shapes = {v.path: tuple(v.shape) for v in model.weights}
        return read_googlenet(weights, shapes, layout)

    write_run(folder, experiment, arrays)


def check_variant(config: object, layout: ImageLayout) -> None:
    """Makes sure that a model is wired as theirs.

    Raises:
      ConfigError: it is not.
    """
    variant = getattr(config, "variant", None)
    if not isinstance(config, GoogLeNetConfig) or variant != layout.value:
        raise ConfigError(
            "model.variant: these weights are for another network. Expected model.kind:"
            f" googlenet with model.variant: {layout}. Received model.variant:"
            f" {variant}."
        )
