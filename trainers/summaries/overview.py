"""A table of a model's variables for the start of a run."""

import math

import keras
import numpy as np


def parameter_overview(model: keras.Model) -> str:
    """Name, shape, number, mean and standard deviation of all variables, in Markdown.

    Args:
      model: a built model; random states of layers are left out.

    Returns:
      Text of one line per variable and a last line with the totals.
    """
    rows: list[tuple[str, ...]] = [("name", "shape", "count", "mean", "std")]
    for variable in model.weights:
        values = np.asarray(variable.numpy(), np.float64)
        shape = " x ".join(map(str, values.shape)) or "scalar"
        numbers = (f"{values.size:,}", f"{values.mean():.3g}", f"{values.std():.3g}")
        rows.append((variable.path, shape, *numbers))
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_weights)
    total = model.count_params()
    return f"{_table(rows)}\n\n{total:,} parameters, {trainable:,} of them trainable."


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    header, *body = [
        " | ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = " | ".join(
        "-" * width if index < 2 else "-" * (width - 1) + ":"
        for index, width in enumerate(widths)
    )
    return "\n".join(f"| {line} |" for line in (header, rule, *body))
