"""Lattices of utterances, as they are in batches and in files.

In batches each field of `Arcs` is a tensor of its own, so that all values have the
examples first: ``denominator_source`` int32 [b, T, A] and so on.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.stored import Lattice
from tfmodels.lattices.stored import stack_lattices
from tfmodels.lattices.stored import stack_values

DENOMINATOR = "denominator"
"""What a decoder kept of an utterance."""
NUMERATOR = "numerator"
"""The part of it that says what was said."""
ACCURACY = "denominator_accuracy"
"""How right the phones of the denominator's arcs are, float32 [b, T, A]: of MPE."""

_STATES = ("initial", "final")
_INDICES = tuple(name for name in Arcs._fields if name not in ("weight", *_STATES))


def lattices_in(batch: Mapping[str, Any], name: str) -> Arcs:
    """The lattices of a name that a batch has."""
    return Arcs(*(batch[f"{name}_{field}"] for field in Arcs._fields))


def to_features(
    name: str, lattice: Lattice, accuracy: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a lattice as they are stored; those of indices int64.

    Args:
      name: of the lattice.
      lattice: of A arcs.
      accuracy: float32 [A].
    """
    frames = lattice.num_frames
    arcs = Arcs(*(value[0] for value in stack_lattices([lattice], frames)))
    frame, slot = np.nonzero(arcs.weight > LOG_ZERO / 2)
    indices = [getattr(arcs, field)[frame, slot] for field in _INDICES]
    features = {
        f"{name}_arcs": np.stack([frame, slot, *indices]).astype(np.int64),
        f"{name}_weight": arcs.weight[frame, slot],
        f"{name}_initial": arcs.initial,
        f"{name}_final": arcs.final,
    }
    if accuracy is not None:
        stacked = stack_values([lattice], [accuracy], frames)[0]
        features[f"{name}_accuracy"] = stacked[frame, slot]
    return features


def names_in(features: Mapping[str, np.ndarray]) -> list[str]:
    """The lattices that stored arrays are of."""
    return [name for name in (DENOMINATOR, NUMERATOR) if f"{name}_arcs" in features]


def widths(features: Mapping[str, np.ndarray], name: str) -> tuple[int, int]:
    """Most arcs and most states in a frame of stored arrays."""
    return 1 + int(features[f"{name}_arcs"][1].max()), len(features[f"{name}_initial"])


def feature_types(name: str, has_accuracy: bool) -> dict[str, tf.DType]:
    """The type of each array that `to_features` gives."""
    types = {f"{name}_{field}": tf.float32 for field in ("weight", *_STATES)}
    if has_accuracy:
        types[f"{name}_accuracy"] = tf.float32
    return {f"{name}_arcs": tf.int64, **types}


def from_features(
    name: str, features: Mapping[str, tf.Tensor], shape: tuple[int, int, int]
) -> dict[str, tf.Tensor]:
    """A lattice as it is in batches, of stored arrays, each of them flat.

    Args:
      name: of the lattice.
      features: what was stored.
      shape: frames, arcs in a frame and states in a frame of all utterances.
    """
    frames, num_arcs, num_states = shape
    rows = 2 + len(_INDICES)
    columns = tf.cast(tf.reshape(features[f"{name}_arcs"], [rows, -1]), tf.int32)
    places = tf.transpose(columns[:2])

    def dense(values: tf.Tensor, fill: float = 0) -> tf.Tensor:
        empty = tf.fill([frames, num_arcs], tf.cast(fill, values.dtype))
        return tf.tensor_scatter_nd_update(empty, places, values)

    lattice = {
        f"{name}_{field}": dense(columns[2 + row]) for row, field in enumerate(_INDICES)
    }
    lattice[f"{name}_weight"] = dense(features[f"{name}_weight"], LOG_ZERO)
    for field in _STATES:
        values = features[f"{name}_{field}"]
        more = [[0, num_states - tf.size(values)]]
        padded = tf.pad(values, more, constant_values=LOG_ZERO)
        lattice[f"{name}_{field}"] = tf.ensure_shape(padded, [num_states])
    if f"{name}_accuracy" in features:
        lattice[f"{name}_accuracy"] = dense(features[f"{name}_accuracy"])
    return lattice
