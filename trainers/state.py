"""Which variables are trained, and the names under which a checkpoint holds them."""

import re
from collections.abc import Iterable
from typing import Any

import keras

from tfmodels.errors import ConfigError
from trainers.interfaces import Placed


def named_variables(
    prefix: str,
    variables: Iterable[keras.Variable],
    weights: Iterable[keras.Variable] | None = None,
) -> dict[str, Any]:
    """Maps ``prefix/path`` to the TensorFlow variable behind each Keras variable.

    Args:
      prefix: first part of every name.
      variables: all variables of a model or optimizer, in their fixed order.
      weights: those with a stable path; the others (random states, whose automatic
        names depend on what else the process built) are named by position.
    """
    stable = None if weights is None else {id(variable) for variable in weights}
    named: dict[str, Any] = {}
    for position, variable in enumerate(variables):
        known = stable is None or id(variable) in stable
        path = variable.path.removeprefix(f"{prefix}/")
        name = f"{prefix}/{path if known else f'state_{position}'}"
        if name in named:
            raise ValueError(
                f"two variables share the name {name!r}; give their layers other names"
            )
        named[name] = variable.value
    return named


def placed_variables(placed: Placed) -> dict[str, Any]:
    """The variables of a model and of its averages: what outlives a training stage."""
    model = placed.model
    averages = placed.average.state
    return {
        **named_variables("model", model.variables, model.weights),
        **{f"average/{path}": variable for path, variable in averages.items()},
    }


def trained_variables(
    model: keras.Model, frozen: tuple[str, ...]
) -> list[keras.Variable]:
    """The trainable variables whose path matches none of the patterns.

    Raises:
      ConfigError: a pattern matches no trainable variable.
    """
    for pattern in frozen:
        if not any(re.search(pattern, v.path) for v in model.trainable_variables):
            paths = [variable.path for variable in model.trainable_variables[:5]]
            raise ConfigError(
                f"stages.freeze: {pattern!r} matches no trained variable. Expected a"
                f" regular expression for paths such as {', '.join(paths)}."
            )
    return [
        variable
        for variable in model.trainable_variables
        if not any(re.search(pattern, variable.path) for pattern in frozen)
    ]
