"""Sums of ratios on the host: adding totals, and turning them into figures."""

from trainers.interfaces import Totals


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
