"""Groups: weights of one output that share a range, the last of a row maybe shorter."""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Literal

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError

GroupSize = int | Literal["tensor"] | None
"""Inputs that share a range; None for a whole row, ``"tensor"`` for all rows."""

MIN_BITS = 2
MAX_BITS = 8


def num_steps(bits: int) -> int:
    """Steps N between the 2^bits levels of a grid.

    Raises:
      ConfigError: there are no codes of so many bits.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ConfigError(
            f"bits: weights cannot have so many. Expected {MIN_BITS} to {MAX_BITS}."
            f" Received {bits}."
        )
    return int(2**bits - 1)


def num_groups(width: int, group_size: int | None) -> int:
    """Groups in a row of `width` weights.

    Raises:
      ConfigError: the size is not positive.
    """
    if group_size is None:
        return 1
    if group_size < 1:
        raise ConfigError(
            "group_size: a group holds one weight at least. Expected a positive number,"
            f" or null for whole rows. Received {group_size}."
        )
    return -(-width // group_size)


def check_weights(weights: np.ndarray, name: str) -> None:
    """Refuses what has no range.

    Args:
      weights: of any shape.
      name: what to call them in the message.

    Raises:
      DataError: there are none, or one is not finite.
    """
    if weights.size == 0:
        raise DataError(
            f"{name}: there are no weights. Expected one at least. Received an array of"
            f" shape {list(weights.shape)}."
        )
    bad = np.size(weights) - np.count_nonzero(np.isfinite(weights))
    if bad:
        raise DataError(
            f"{name}: not all weights are finite numbers. Expected no NaN and no"
            f" infinity. Received {bad} of {weights.size}; train again, or keep these"
            " weights in floating point."
        )


def split(rows: np.ndarray, group_size: int | None) -> list[np.ndarray]:
    """Cuts rows into groups of equal sizes.

    Args:
      rows: [R, n].
      group_size: g, or None for n.

    Returns:
      Arrays [R * (n // g), g] and, if g does not divide n, [R, n % g]. No weight is
      made up for the last group of a row.
    """
    width = rows.shape[1]
    size = width if group_size is None else min(group_size, width)
    whole = width - width % size
    parts = [rows[:, :whole].reshape(-1, size)]
    if whole < width:
        parts.append(rows[:, whole:])
    return parts


def join(parts: Sequence[np.ndarray], num_rows: int) -> np.ndarray:
    """The inverse of `split`, for one value of each group or for all weights.

    Args:
      parts: of each array of `split`, values [groups] or [groups, size].
      num_rows: R.

    Returns:
      [R, groups of a row], or [R, n].
    """
    return np.concatenate([part.reshape(num_rows, -1) for part in parts], axis=1)


def spread(values: np.ndarray, width: int, group_size: int | None) -> np.ndarray:
    """Repeats each group's value for each of its weights.

    Args:
      values: [R, groups].
      width: n, weights in a row.
      group_size: g, or None for n.

    Returns:
      [R, n].
    """
    if group_size is None:
        return np.broadcast_to(values, (len(values), width))
    return np.repeat(values, min(group_size, width), axis=1)[:, :width]


def blocks(groups: np.ndarray, num_weights: int) -> Iterator[slice]:
    """Slices of whole groups that hold about `num_weights` together.

    Args:
      groups: [G, n].
      num_weights: of a block, few enough for a processor's cache.
    """
    step = max(1, num_weights // groups.shape[1])
    for start in range(0, len(groups), step):
        yield slice(start, start + step)
