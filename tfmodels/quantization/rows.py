"""Weights of Keras's layers as rows: an output each, along what it sums over."""

from typing import Any

import keras
import numpy as np


def rows_of(layer: Any) -> np.ndarray:
    """The weights of a layer, a row for each output, along what it sums over.

    Args:
      layer: Keras's `Dense`, `EinsumDense`, `Embedding` or `ReversibleEmbedding`,
        built; a table has a row for each token.

    Returns:
      float32 [R, n].
    """
    if isinstance(layer, keras.layers.Embedding):
        return np.asarray(keras.ops.convert_to_numpy(layer.embeddings), np.float32)
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float32)
    order, width = summed_last(layer, len(kernel.shape))
    rows = kernel.transpose(order)
    return rows.reshape(-1, np.prod(rows.shape[rows.ndim - width :], dtype=int))


def set_rows(layer: Any, rows: np.ndarray) -> None:
    """Gives a layer that is not packed the weights that `rows_of` shows.

    Args:
      layer: one that `rows_of` takes.
      rows: float32 [R, n].
    """
    if isinstance(layer, keras.layers.Embedding):
        layer._embeddings.assign(rows)
        return
    shape = tuple(layer.kernel.shape)
    order, _ = summed_last(layer, len(shape))
    kernel = rows.reshape([shape[axis] for axis in order])
    layer._kernel.assign(kernel.transpose(np.argsort(order)))


def summed_last(layer: Any, rank: int) -> tuple[list[int], int]:
    """Axes of a kernel, those it is summed over last, and the number of these."""
    if isinstance(layer, keras.layers.Dense):
        return [1, 0], 1
    operands, output = layer.equation.replace(" ", "").split("->")
    letters = operands.split(",")[1]
    summed = [axis for axis in range(rank) if letters[axis] not in output]
    return [axis for axis in range(rank) if axis not in summed] + summed, len(summed)


def size_of_rows(layer: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows R and their width n of weights of some shape, as `rows_of` has them."""
    if isinstance(layer, keras.layers.Embedding):
        return shape[0], shape[1]
    order, summed = summed_last(layer, len(shape))
    sizes = [shape[axis] for axis in order]
    kept = len(sizes) - summed
    return int(np.prod(sizes[:kept])), int(np.prod(sizes[kept:]))
