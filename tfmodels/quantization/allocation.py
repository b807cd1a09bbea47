"""Bits for each layer under a size budget: where a byte takes most error away."""

from collections.abc import Mapping
from collections.abc import Sequence

from tfmodels.errors import ConfigError


def allocate(
    errors: Sequence[Mapping[int, float]],
    sizes: Sequence[Mapping[int, int]],
    budget: int,
) -> list[int]:
    """Chooses bits greedily, by the error that each further byte takes away.

    All layers start with the fewest bits. Of all that fits, the step of the steepest
    fall of error is taken, to any higher number of bits, until nothing fits.

    Args:
      errors: of each layer, the error by bits.
      sizes: of each layer, bytes by bits, the same ones.
      budget: bytes for all layers.

    Returns:
      Bits of each layer.

    Raises:
      ConfigError: the fewest bits are too large already.
    """
    chosen = [min(options) for options in sizes]
    spent = sum(options[bits] for options, bits in zip(sizes, chosen, strict=True))
    if spent > budget:
        raise ConfigError(
            "the weights do not fit the budget. Expected one of at least"
            f" {spent} bytes, the size with the fewest bits. Received {budget}; raise"
            " export.clipping_budget."
        )
    while True:
        steps = []
        for layer, bits in enumerate(chosen):
            for more in sizes[layer]:
                cost = sizes[layer][more] - sizes[layer][bits]
                gain = errors[layer][bits] - errors[layer][more]
                if cost > 0 and gain > 0 and spent + cost <= budget:
                    steps.append((gain / cost, -layer, more, cost))
        if not steps:
            return chosen
        _, layer, bits, cost = max(steps)
        chosen[-layer] = bits
        spent += cost
