"""Which tensors of a graph get an 8-bit range of their own, where TFLite needs one."""

from typing import Any
from typing import NamedTuple

import keras
from keras.src.models.functional import Functional

from tfmodels.compression.chains import Chains
from tfmodels.compression.chains import affine_chains
from tfmodels.compression.chains import readers_of
from tfmodels.errors import ConfigError
from tfmodels.layers.dropout import Dropout
from tfmodels.layers.residual import ScaledAdd

layers = keras.layers
_KERNELS = (layers.Conv2D, layers.Dense)
_NEW = (
    layers.Add,
    layers.Concatenate,
    layers.GlobalAveragePooling2D,
    layers.AdaptiveAveragePooling2D,
)
_POOLS = (layers.AveragePooling2D, layers.MaxPooling2D)
_SAME = (
    Dropout,
    layers.Dropout,
    layers.Flatten,
    layers.Reshape,
    layers.ZeroPadding2D,
)


class Grids(NamedTuple):
    """Where values of a graph are rounded."""

    chains: Chains
    """Layers with kernels, and what is computed with these."""
    read: dict[str, list[str]]
    """Names of layers that read inputs of the model, and of these inputs."""
    made: dict[str, str]
    """Names of layers whose output is rounded, and of the tensor whose range it gets:
    the layer itself, or one before it."""


def find_grids(model: keras.Model, own: frozenset[str] | None = None) -> Grids:
    """Finds what TFLite computes in integers and rounds to 8 bits.

    The inputs of a sum of products, sums, means and joined tensors have ranges of their
    own, but for what one layer only rewrites (the activation after a convolution) and
    for what is only joined: then the result alone has one. What is pooled keeps its
    range, as TFLite asks; its maxima are said to have it too, or else the converter
    may leave what reads them in floating point.

    Args:
      model: a functional Keras model.
      own: names of layers with a range of their own, where another graph has decided.

    Raises:
      ConfigError: layers have no form in integers; all are named.
    """
    if not isinstance(model, Functional | keras.Sequential):
        raise _refused(model, [f"{model.name} ({type(model).__name__})"])
    chains = affine_chains(model)
    folded = {follower for chain in chains.values() for follower in chain}
    refused = [
        f"{layer.name} ({type(layer).__name__})"
        for layer in model.operations
        if not (_is_known(layer) or layer in folded) or len(layer._inbound_nodes) != 1
    ]
    if refused:
        raise _refused(model, refused)
    readers = readers_of(model)
    found = Grids(chains, {}, {})
    grid: dict[int, str] = {}
    for layer in model.operations:
        if isinstance(layer, layers.InputLayer):
            continue
        inputs = layer._inbound_nodes[0].input_tensors
        sources = [tensor._keras_history.operation for tensor in inputs]
        entering = [s.name for s in sources if isinstance(s, layers.InputLayer)]
        if entering:
            found.read[layer.name] = entering
        before = entering[0] if entering else grid.get(id(inputs[0]), "")
        if isinstance(layer, _SAME):
            grid[id(layer.output)] = before
        elif isinstance(layer, _POOLS):
            found.made[layer.name] = grid[id(layer.output)] = before
        elif (
            layer.name in own
            if own is not None
            else not _is_passed_on(readers[id(layer.output)], folded)
        ):
            found.made[layer.name] = grid[id(layer.output)] = layer.name
    return found


def _is_passed_on(readers: list[Any], folded: set[Any]) -> bool:
    """Whether whoever reads a tensor computes it anew before it is rounded."""
    if all(isinstance(reader, layers.Concatenate) for reader in readers):
        return True
    if len(readers) > 1 or isinstance(readers[0], ScaledAdd):
        return False
    return _is_relu(readers[0]) or readers[0] in folded


def _is_relu(layer: Any) -> bool:
    if isinstance(layer, layers.ReLU):
        return (
            not layer.negative_slope
            and not layer.threshold
            and (layer.max_value in (None, 6))
        )
    return isinstance(layer, layers.Activation) and layer.activation in (
        keras.activations.relu,
        keras.activations.relu6,
    )


def _is_known(layer: Any) -> bool:
    if type(layer) in _KERNELS:
        return layer.activation in (
            keras.activations.linear,
            keras.activations.relu,
            keras.activations.relu6,
        )
    known = (layers.InputLayer, *_POOLS, *_NEW, *_SAME)
    return type(layer) in known or _is_relu(layer)


def _refused(model: keras.Model, names: list[str]) -> ConfigError:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ConfigError(
        "stages[].compression.kind: quantization_aware does not suit the model"
        f" {model.name}. Expected a graph of Conv2D, Dense, batch normalisation after"
        " them, ReLU, pools, sums and joins, each layer in one place. Received"
        f" {', '.join(names[:5])}{more}."
    )
