"""Sums of ratios on the host: adding totals, and turning them into figures."""

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import numpy as np

from trainers.interfaces import Totals


def sum_totals(step: Callable[[Any], Totals], batches: Iterable[Any]) -> Totals:
    """Adds what a step returns for each batch, in float64.

    Args:
      step: returns ratios of tensors of any shapes, the same for every batch.
      batches: its arguments.
    """
    totals: Totals = {}
    for batch in batches:
        counted = {
            name: (np.asarray(pair[0], np.float64), np.asarray(pair[1], np.float64))
            for name, pair in step(batch).items()
        }
        totals = add_totals(totals, counted)
    return totals


def add_totals(left: Totals, right: Totals) -> Totals:
    """Adds two sets of ratios by name; a name in only one of them is kept as it is."""
    total = dict(left)
    for name, (numerator, denominator) in right.items():
        before = total.get(name, (0.0, 0.0))
        total[name] = (before[0] + numerator, before[1] + denominator)
    return total


def means(totals: Totals) -> dict[str, float]:
    """Numerator over denominator of every scalar ratio with a nonzero denominator."""
    return {
        name: float(numerator) / float(denominator)
        for name, (numerator, denominator) in totals.items()
        if getattr(numerator, "ndim", 0) == 0 and denominator
    }
