"""The kernels that a compression changes, with their averages, wherever they are."""

import re
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.compression.config import KernelCompression
from trainers.compression.interfaces import Trained
from trainers.optimizers.gradients import is_kernel


class Kernel(NamedTuple):
    """A kernel that a stage trains."""

    place: int
    """Its number among the trained variables."""
    path: str
    value: tf.Variable
    copies: tuple[tf.Variable, ...]
    """The kernel, and its average if the run keeps averages."""


def all_kernels(trained: Trained) -> list[Kernel]:
    """The kernels that a stage trains, in the order of its variables."""
    averages = trained.placed.average.state
    return [
        Kernel(
            place,
            variable.path,
            variable.value,
            (variable.value, *(a for p, a in averages.items() if p == variable.path)),
        )
        for place, variable in enumerate(trained.variables)
        if is_kernel(variable)
    ]


def chosen_kernels(trained: Trained, config: KernelCompression) -> list[Kernel]:
    """The kernels that a configuration names.

    Raises:
      ConfigError: there is none, or a pattern matches none.
    """
    kernels = all_kernels(trained)
    key = "stages[].compression"
    paths = ", ".join(kernel.path for kernel in kernels[:5]) or "(none is trained)"
    for pattern in (*config.kernels, *config.keep):
        if not any(re.search(pattern, kernel.path) for kernel in kernels):
            raise ConfigError(
                f"{key}: the pattern matches no kernel that the stage"
                f" {trained.stage.name} trains. Expected kernels and keep to have"
                f" patterns of paths such as {paths}. Received {pattern!r}."
            )
    chosen = [
        kernel
        for kernel in kernels
        if (not config.kernels or _matches(config.kernels, kernel))
        and not _matches(config.keep, kernel)
    ]
    if not chosen:
        raise ConfigError(
            f"{key}: no kernel is left to change. Expected kernels and keep to leave"
            f" some of paths such as {paths}. Received kernels:"
            f" {list(config.kernels)}, keep: {list(config.keep)}."
        )
    return chosen


def _matches(patterns: Sequence[str], kernel: Kernel) -> bool:
    return any(re.search(pattern, kernel.path) for pattern in patterns)


def change(kernel: Kernel, function: Callable[..., tf.Tensor], *args: Any) -> None:
    """Changes a kernel and its average on every device, outside of the replicas.

    Args:
      kernel: what is changed.
      function: of the old values and `args`; returns the new ones.
      *args: tensors that are the same on all devices.
    """
    extended = tf.distribute.get_strategy().extended

    def assign(variable: tf.Variable, *args: Any) -> tf.Tensor:
        return variable.assign(function(tf.convert_to_tensor(variable), *args))

    for copy in kernel.copies:
        extended.update(copy, assign, args=args, group=False)


def zeros(kernel: Kernel) -> tf.Tensor:
    """Where weights are 0, bool, of their shape."""
    return tf.equal(tf.convert_to_tensor(kernel.value), 0)


def set_zeros(kernel: Kernel, where: tf.Tensor) -> None:
    """Makes weights 0, and those of the average, where a mask says so."""
    change(kernel, lambda old, mask: tf.where(mask, tf.zeros_like(old), old), where)
