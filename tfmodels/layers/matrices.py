"""How a layer says which of its weights are matrices, for whoever packs them."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Matrix(NamedTuple):
    """Weights that inputs are multiplied with, or a table that vectors are taken from.

    A layer of own weights lists them in an attribute ``matrices``, by the attributes
    that hold them.
    """

    outputs: tuple[int, ...] = (-1,)
    """Axes that products keep, a row for each of their places; all others are summed
    over. Of a table the axis of what is looked up."""
    table: bool = False
    """Whether vectors are looked up."""

    def order(self, rank: int) -> list[int]:
        """All axes of such weights, those that are summed over last."""
        kept = [axis % rank for axis in self.outputs]
        return kept + [axis for axis in range(rank) if axis not in kept]

    def size(self, shape: Sequence[int]) -> tuple[int, int]:
        """Rows R of weights of a shape, and their width n."""
        sizes = [shape[axis] for axis in self.order(len(shape))]
        kept = len(self.outputs)
        return math.prod(sizes[:kept]), math.prod(sizes[kept:])
