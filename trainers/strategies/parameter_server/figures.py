"""Pictures of how replicas got in each other's way."""

from collections.abc import Mapping

from matplotlib.figure import Figure


def staleness_histogram(counts: Mapping[int, int]) -> Figure:
    """Draws how many pushes had which staleness.

    Args:
      counts: pushes by their staleness; at least one.
    """
    drawn = Figure(figsize=(6, 3), layout="constrained")
    axes = drawn.add_subplot(
        xlabel="pushes of others since the parameters were fetched", ylabel="pushes"
    )
    axes.bar(list(counts), list(counts.values()), width=0.9)
    axes.set_xlim(-0.5, max(counts) + 0.5)
    total = sum(counts.values())
    mean = sum(stale * count for stale, count in counts.items()) / total
    axes.set_title(f"{total} pushes, mean staleness {mean:.2f}", size=10)
    return drawn
