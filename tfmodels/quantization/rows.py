"""Weights of layers as rows: an output each, along what it sums over."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.layers.matrices import Matrix


def matrices_of(layer: Any) -> dict[str, Matrix]:
    """What a built layer multiplies with or looks up, by the attribute that holds it.

    Args:
      layer: any; of Keras's those with a kernel or a table are known, and others say it
        themselves, in an attribute ``matrices``.
    """
    if isinstance(layer, keras.layers.Embedding):
        return {"_embeddings": Matrix((0,), table=True)}
    if isinstance(layer, keras.layers.EinsumDense):
        operands, output = layer.equation.replace(" ", "").split("->")
        letters = operands.split(",")[1]
        kept = [axis for axis, letter in enumerate(letters) if letter in output]
        return {"_kernel": Matrix(tuple(kept))}
    if isinstance(
        layer, keras.layers.Dense | keras.layers.Conv1D | keras.layers.Conv2D
    ):
        return {"_kernel": Matrix((-1,))}
    found: dict[str, Matrix] = getattr(layer, "matrices", {})
    return found


def only_matrix(layer: Any) -> str:
    """The attribute of a layer that has one matrix."""
    (name,) = matrices_of(layer)
    return name


def rows_of(layer: Any, name: str | None = None) -> np.ndarray:
    """The weights of a layer, a row for each output, along what it sums over.

    Args:
      layer: built, not packed.
      name: a key of its `matrices_of`; not needed where there is one. A table has a row
        for each token.

    Returns:
      float32 [R, n].
    """
    name = name or only_matrix(layer)
    weights = keras.ops.convert_to_numpy(getattr(layer, name))
    weights = np.asarray(weights, np.float32)
    matrix = matrices_of(layer)[name]
    count, width = matrix.size(weights.shape)
    return weights.transpose(matrix.order(weights.ndim)).reshape(count, width)


def set_rows(layer: Any, rows: np.ndarray, name: str | None = None) -> None:
    """Gives a layer that is not packed the weights that `rows_of` shows.

    Args:
      layer: one that `rows_of` takes.
      rows: float32 [R, n].
      name: see `rows_of`.
    """
    name = name or only_matrix(layer)
    variable = getattr(layer, name)
    order = matrices_of(layer)[name].order(len(variable.shape))
    weights = rows.reshape([variable.shape[axis] for axis in order])
    variable.assign(weights.transpose(np.argsort(order)))


def inputs_of(layer: Any, inputs: tf.Tensor) -> tf.Tensor:
    """What a linear layer is given as vectors along what its rows sum over.

    Args:
      layer: Keras's `Dense` or `EinsumDense`.
      inputs: float, as the layer is called.

    Returns:
      float [..., n], n as in `rows_of`; the axes before are those that stay.
    """
    if isinstance(layer, keras.layers.Dense):
        return inputs
    operands, output = layer.equation.replace(" ", "").replace("...", "").split("->")
    first, second = operands.split(",")
    rank = len(inputs.shape)
    # Counted from the end: dots may stand for any axes before.
    summed = [
        first.index(letter) - len(first) + rank
        for letter in second
        if letter not in output
    ]
    kept = [axis for axis in range(rank) if axis not in summed]
    moved = tf.transpose(inputs, [*kept, *summed])
    shape = tf.concat([tf.shape(moved)[: len(kept)], [-1]], 0)
    return tf.reshape(moved, shape)
