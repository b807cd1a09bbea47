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


def boundary_error(alignment: np.ndarray, token: np.ndarray, step_ms: float) -> float:
    """Mean distance in milliseconds between true beginnings of symbols and those found.

    A symbol is taken to begin with the first step that attends most to it or to one
    behind it. Of symbols that last no step nothing is known.

    Args:
      alignment: floating-point [steps, N].
      token: int [steps], the symbol that each step is of; -1 where unknown.
      step_ms: how long a step is.
    """
    reached = np.maximum.accumulate(alignment.argmax(axis=1))
    errors = []
    for symbol in np.unique(token[token >= 0]):
        begin = int(np.argmax(token == symbol))
        if begin:
            later = reached >= symbol
            found = int(np.argmax(later)) if later.any() else len(reached)
            errors.append(abs(found - begin))
    return step_ms * float(np.mean(errors)) if errors else 0.0
