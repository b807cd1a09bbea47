"""Linear layers of a graph, and what follows them that can move into their weights."""

from collections import defaultdict
from typing import Any

import keras

from tfmodels.layers.residual import ScaledAdd

_LINEAR = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Dense,
)

Chains = dict[keras.layers.Layer, list[keras.layers.Layer]]
"""Linear layers, each with the layers after it that map its channels by
``y * factor + offset``, in their order: `BatchNormalization` (inference form), at last
perhaps `ScaledAdd`, of whose branch the scale is meant."""


def affine_chains(model: keras.Model) -> Chains:
    """Walks a graph once, in the order of computation.

    Where a tensor has a second reader, or the layer before is not linear, a chain ends.
    A layer applied twice has one set of weights for two places: it is left alone.
    Models nested as layers have chains of their own.

    Args:
      model: a functional Keras model.
    """
    chains: Chains = {}
    readers = readers_of(model)
    roots: dict[int, keras.layers.Layer] = {}

    def root(tensor: Any) -> keras.layers.Layer | None:
        return roots.get(id(tensor)) if len(readers[id(tensor)]) == 1 else None

    for layer in model.operations:
        if len(layer._inbound_nodes) != 1:
            continue
        inputs = layer._inbound_nodes[0].input_tensors
        source = root(inputs[-1]) if inputs else None
        if isinstance(layer, _LINEAR):
            chains[layer] = []
            if _is_linear(layer):
                roots[id(layer.output)] = layer
        elif source and isinstance(layer, keras.layers.BatchNormalization):
            if layer.axis in (-1, len(inputs[0].shape) - 1):
                chains[source].append(layer)
                roots[id(layer.output)] = source
        elif source and isinstance(layer, ScaledAdd):
            chains[source].append(layer)
    return chains


def readers_of(model: keras.Model) -> defaultdict[int, list[Any]]:
    """The operations that read each tensor, by its identity; None reads outputs."""
    readers: defaultdict[int, list[Any]] = defaultdict(list)
    for operation in model.operations:
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                readers[id(tensor)].append(operation)
    for tensor in model.outputs:
        readers[id(tensor)].append(None)
    return readers


def _is_linear(layer: Any) -> bool:
    channels_last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return layer.activation is keras.activations.linear and channels_last
