"""Clipping ranges of rows of weights, by method: the one door to all of them."""

import functools
from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tfmodels.config import similar
from tfmodels.errors import ConfigError
from tfmodels.quantization.groups import GroupSize
from tfmodels.quantization.groups import check_weights
from tfmodels.quantization.groups import join
from tfmodels.quantization.groups import num_groups
from tfmodels.quantization.groups import num_steps
from tfmodels.quantization.groups import split
from tfmodels.quantization.newton import newton
from tfmodels.quantization.refinement import als
from tfmodels.quantization.refinement import als_multistart
from tfmodels.quantization.search import grid
from tfmodels.quantization.search import minmax
from tfmodels.quantization.search import percentile
from tfmodels.quantization.search import symmetric_minmax
from tfmodels.quantization.symmetric import aciq
from tfmodels.quantization.symmetric import exact_symmetric
from tfmodels.quantization.symmetric import octav

Solver = Callable[[np.ndarray, int, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
"""Takes groups [G, n], bits, and how much weights count; returns bounds [G], [G]."""

METHODS: Mapping[str, Solver] = {
    "newton": newton,
    "als": als,
    "als_multistart": als_multistart,
    "minmax": minmax,
    "percentile": percentile,
    "grid": functools.partial(grid, ends="joint"),
    "grid_2d": functools.partial(grid, ends="separate"),
    "grid_symmetric": functools.partial(grid, ends="symmetric"),
    "symmetric_minmax": symmetric_minmax,
    "exact_symmetric": exact_symmetric,
    "octav": octav,
    "aciq_gauss": functools.partial(aciq, law="gauss"),
    "aciq_laplace": functools.partial(aciq, law="laplace"),
}
"""The explicit table: name -> what solves groups."""


class Ranges(NamedTuple):
    """Where rows of weights are clipped, group by group."""

    low: np.ndarray
    """[R, groups]."""
    high: np.ndarray
    """[R, groups]."""


def solve(
    weights: np.ndarray,
    bits: int,
    method: str = "newton",
    group_size: GroupSize = None,
    importance: np.ndarray | None = None,
    name: str = "weights",
) -> Ranges:
    """Solves for the clipping range of every group of weights.

    Args:
      weights: float32 or float64 [R, n], a row for each output; others are made
        float32.
      bits: of a code, 2 to 8.
      method: a key of `METHODS`.
      group_size: inputs that share a range; None for rows, ``"tensor"`` for all.
      importance: not negative, [n] or [R, n]: how much the error of each weight counts,
        such as the mean square of its input.
      name: what to call the weights in messages.

    Returns:
      Bounds [R, groups]; the same in all rows for ``"tensor"``.

    Raises:
      ConfigError: there is no such method, group or number of bits.
      DataError: a weight is not finite, or there is none.
    """
    num_steps(bits)
    if method not in METHODS:
        raise ConfigError(
            f"there is no method {method!r} for clipping ranges."
            f"{similar(method, METHODS)} Expected one of {', '.join(METHODS)}."
            f" Received method: {method}."
        )
    check_weights(weights, name)
    if weights.dtype != np.float64:
        weights = weights.astype(np.float32, copy=False)
    if importance is not None:
        check_weights(importance, f"{name}: importance")
        importance = np.broadcast_to(importance, weights.shape)
    if group_size == "tensor":
        flat = None if importance is None else importance.reshape(1, -1)
        low, high = solve(weights.reshape(1, -1), bits, method, None, flat, name)
        shape = (len(weights), 1)
        return Ranges(np.broadcast_to(low, shape), np.broadcast_to(high, shape))
    num_groups(weights.shape[1], group_size)
    parts = split(weights, group_size)
    counts: list[np.ndarray | None] = [None] * len(parts)
    if importance is not None:
        counts = [*split(importance, group_size)]
    solved = [
        METHODS[method](part, bits, count)
        for part, count in zip(parts, counts, strict=True)
    ]
    return Ranges(
        join([low for low, _ in solved], len(weights)),
        join([high for _, high in solved], len(weights)),
    )
