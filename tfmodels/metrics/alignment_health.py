"""Whether a synthesiser reads its text: in order, all of it, at the right times."""

from typing import NamedTuple

import numpy as np


class AlignmentHealth(NamedTuple):
    """What an alignment is like."""

    coverage: float
    """Share of the symbols that some step attends to most."""
    monotone: float
    """Share of the steps that do not go back."""
    skips: int
    """Symbols that are passed over."""
    repeats: int
    """Steps that go back."""


def alignment_health(alignment: np.ndarray) -> AlignmentHealth:
    """Looks at where each step attends most.

    Args:
      alignment: floating-point [steps, N], no padding of either.
    """
    place = alignment.argmax(axis=1)
    steps = np.diff(place)
    covered = len(np.unique(place)) / alignment.shape[1]
    monotone = float(np.mean(steps >= 0)) if len(steps) else 1.0
    skips = int(np.maximum(steps - 1, 0).sum())
    return AlignmentHealth(covered, monotone, skips, int(np.sum(steps < 0)))


def boundary_error(
    alignment: np.ndarray, token: np.ndarray, frames_per_step: int, frame_ms: float
) -> float:
    """Mean distance in milliseconds between true beginnings of symbols and those found.

    A symbol is taken to begin where half of the attention has come to it or to those
    behind it, on a straight line from the middle of one step to the middle of the
    next. Of symbols that last no frame nothing is known.

    Args:
      alignment: floating-point [steps, N].
      token: int [frames], the symbol that each frame is of; -1 where unknown.
      frames_per_step: r.
      frame_ms: how long a frame is.
    """
    share = np.cumsum(alignment[:, ::-1], axis=1)[:, ::-1]
    share = np.maximum.accumulate(share, axis=0)
    errors = []
    for symbol in np.unique(token[token >= 0]):
        begin = int(np.argmax(token == symbol))
        if begin:
            step = int(np.sum(share[:, symbol] < 0.5))
            found = float(step)
            if 0 < step < len(share):
                before, after = share[step - 1 : step + 1, symbol]
                found += (0.5 - before) / (after - before) - 0.5
            errors.append(abs(found * frames_per_step - begin))
    return frame_ms * float(np.mean(errors)) if errors else 0.0
