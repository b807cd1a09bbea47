"""Panels of one size in a grid: a layout that looks for room draws everything twice."""

import math
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure


class Margins(NamedTuple):
    """Room around a panel, in inches."""

    left: float
    right: float
    bottom: float
    top: float


def panels(
    num_panels: int, width: float, height: float, margins: Margins
) -> tuple[Figure, list[Axes]]:
    """A grid of as many columns as rows, or one more, in the order of reading.

    Args:
      num_panels: N.
      width: of each, with its margins, in inches.
      height: of each, with its margins, in inches.
      margins: room around each.
    """
    columns = math.ceil(math.sqrt(num_panels))
    rows = math.ceil(num_panels / columns)
    figure = Figure(figsize=(columns * width, rows * height))
    inside = (
        (width - margins.left - margins.right) / columns / width,
        (height - margins.bottom - margins.top) / rows / height,
    )
    made = []
    for number in range(num_panels):
        row, column = divmod(number, columns)
        left = (column + margins.left / width) / columns
        bottom = (rows - 1 - row + margins.bottom / height) / rows
        made.append(figure.add_axes((left, bottom, *inside)))
    return figure, made
