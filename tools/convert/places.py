"""Where our variables are among somebody else's arrays, and in which order of axes."""

import re
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.errors import ConfigError
from tools.convert.weights import Weights

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
"""Of our variables, by their paths, in the order of the model's layers."""


class Place(NamedTuple):
    """Where one of our variables is among somebody else's arrays."""

    name: str
    axes: tuple[int, ...] | None = None
    """Of ours, in the order of theirs; the same when None."""
    split: Shape | None = None
    """What the axes are of, if theirs has axes that are one of ours."""
    ones: int = 0
    """Axes of length 1 that theirs has before the others."""
    background: bool = False
    """Whether theirs may have one class more, before ours: what is none of them."""
    other_name: str | None = None
    """What it is called in other files of theirs."""

    def shape(self, ours: Shape) -> Shape:
        """Of theirs, from that of ours."""
        parts = self.split or ours
        moved = [parts[axis] for axis in self.axes] if self.axes else list(parts)
        if self.split is not None:  # what was split is one axis of theirs as well
            moved = [moved[0], int(np.prod(moved[1:]))]
        return (*(1 for _ in range(self.ones)), *moved)

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


class Naming(NamedTuple):
    """How somebody names the arrays of a network."""

    settings: Mapping[str, Any]
    """What our configuration of the same network says, by its keys."""
    places: Callable[[Any, Shapes], dict[str, Place]]
    """Makes, of that configuration and the shapes, the places of all variables."""
    read: Callable[[Path], Weights] = Weights.read
    """Opens a file of theirs."""


class Part(NamedTuple):
    """The path of a variable, such as ``4a_branch2_1_1x1_bn/beta``, in parts."""

    unit: str
    """``4a_branch2_1_1x1``; nothing of the class scores."""
    role: str
    """``conv``, ``bn``, ``dense`` or ``logits``."""
    variable: str
    """``kernel``, ``bias``, ``gamma``, ``beta``, ``moving_mean``, ..."""


def part_of(path: str) -> Part:
    """The parts of a path."""
    layer, variable = path.split("/")
    unit, _, role = layer.rpartition("_")
    return Part(unit, role, variable)


class Step(NamedTuple):
    """A convolution of a module: ``4a_branch2_1_1x1`` in parts."""

    module: str
    branch: int
    """From 1, in the order in which outputs are joined."""
    number: int
    """From 1, pools included; ends that share an input have one number."""
    kernel: str


_STEP = re.compile(r"(\w+)_branch(\d)_(\d)_(\dx\d)")


def step_of(unit: str) -> Step | None:
    """The parts of a unit's name, if it is one of a module."""
    found = _STEP.fullmatch(unit)
    if found is None:
        return None
    module, branch, number, kernel = found.groups()
    return Step(module, int(branch), int(number), kernel)


_SLIM = {
    "kernel": "weights",
    "bias": "biases",
    "beta": "BatchNorm/beta",
    "moving_mean": "BatchNorm/moving_mean",
    "moving_variance": "BatchNorm/moving_variance",
}


def slim_place(layer: str, path: str) -> Place:
    """Of a variable, in the layer of TF-Slim's of this name.

    Raises:
      ConfigError: it is a factor, which theirs do without.
    """
    part = part_of(path)
    if part.variable not in _SLIM:
        raise no_place(path, "slim", "model.batch_norm.scale")
    return Place(f"{layer}/{_SLIM[part.variable]}", background=part.role == "logits")


_TORCH = {
    "kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# Ours is height, width, inputs, outputs; or inputs, outputs.
_TORCH_AXES = {4: (3, 2, 0, 1), 2: (1, 0)}


def torch_place(
    layer: str, path: str, shape: Shape, split: Shape | None = None
) -> Place:
    """Of a variable of such a shape, in the module of PyTorch's of this name.

    Args:
      layer: ``features.0`` has ``features.0.conv.weight`` and ``features.0.bn.bias``
        if it is normalised; a module that is not, is named itself.
      path: of the variable.
      shape: of the variable.
      split: see `Place`.
    """
    variable = part_of(path).variable
    axes = _TORCH_AXES.get(len(split or shape))
    return Place(f"{layer}.{_TORCH[variable]}", axes, split)


def no_place(path: str, layout: str, key: str) -> ConfigError:
    """The error that theirs has no such layer.

    Args:
      path: of a variable of the layer.
      layout: whose names are asked for.
      key: of the configuration that gives the model the layer.
    """
    layer = path.partition("/")[0]
    return ConfigError(
        f"{key}: the layer {layer} has no name in the layout {layout}. Expected a model"
        f" with the layers of theirs alone. Received one with {path}; change {key}."
    )
