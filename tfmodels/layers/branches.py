"""Parallel paths over one input, joined along the channels: the inception module."""

import dataclasses
from collections.abc import Mapping

import keras

from tfmodels.layers.convolution import Conv
from tfmodels.layers.convolution import Pool
from tfmodels.layers.convolution import Units


@dataclasses.dataclass(frozen=True)
class Fork:
    """The end of a branch: several convolutions of one input, each its own path."""

    paths: tuple[Conv, ...]


Branch = tuple[Conv | Pool | Fork, ...]
"""Steps that run one after the other."""

Branches = Mapping[str, Branch]
"""Branches by name, in the order in which their outputs are joined."""


def unstrided(branches: Branches) -> Branches:
    """The same branches without strides, whose outputs are as large as their input."""
    return {
        name: tuple(
            step
            if isinstance(step, Fork)
            else dataclasses.replace(step, strides=1, padding="same")
            for step in steps
        )
        for name, steps in branches.items()
    }


def concatenated(
    x: keras.KerasTensor, branches: Branches, units: Units, name: str
) -> keras.KerasTensor:
    """Runs all branches on `x` and joins their outputs (US9715642B2, claim 1).

    Layers are named ``<name>_<branch>_<step>_<kernel>_...``: with the kernel in every
    variable's name, weights for 1x7 then 7x1 cannot be read as 7x1 then 1x7.

    Args:
      x: float [B, H, W, C].
      branches: at least one; a module of one path is that path, without a join.
      units: makes the convolutions.
      name: name of the module.

    Returns:
      float [B, H', W', sum of the paths' widths].
    """
    paths = [
        path
        for branch, steps in branches.items()
        for path in _run(x, steps, units, f"{name}_{branch}")
    ]
    if len(paths) == 1:
        return paths[0]
    return keras.layers.Concatenate(name=f"{name}_concat")(paths)


def _run(
    x: keras.KerasTensor, steps: Branch, units: Units, name: str
) -> list[keras.KerasTensor]:
    for index, step in enumerate(steps, start=1):
        if isinstance(step, Fork):
            return [_convolve(x, path, units, f"{name}_{index}") for path in step.paths]
        if isinstance(step, Pool):
            x = step.layer(f"{name}_{index}")(x)
        else:
            x = _convolve(x, step, units, f"{name}_{index}")
    return [x]


def _convolve(
    x: keras.KerasTensor, conv: Conv, units: Units, name: str
) -> keras.KerasTensor:
    height, width = conv.kernel_size
    return units.convolution(x, conv, f"{name}_{height}x{width}")
