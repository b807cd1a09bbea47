"""Rewrites a folded graph so that parallel 1x1 convolutions are computed as one."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras.src.models.functional import Functional

from export.folding import fold
from tfmodels.compression.chains import readers_of
from tfmodels.errors import ConfigError

_POINT = (1, 1)
_RELU = keras.activations.relu


class ChannelSlice(keras.layers.Layer):
    """Some of the channels of a map.

    Args:
      first: the first of them.
      num_channels: how many there are.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: float [B, H, W, C].
    """

    def __init__(self, first: int, num_channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._first = first
        self._num_channels = num_channels

    def call(self, inputs: Any) -> Any:
        """Returns float [B, H, W, num_channels]."""
        return inputs[..., self._first : self._first + self._num_channels]


class _Joined(NamedTuple):
    """Convolutions that become one, and what activates them."""

    members: list[keras.layers.Conv2D]
    activations: list[keras.layers.Layer]
    """The ReLU that alone reads each, or none of them."""


def fuse(model: keras.Model) -> keras.Model:
    """Computes 1x1 convolutions of one input by one convolution of all their outputs.

    Kernels and biases are put side by side, so that every output is the same sum of the
    same products. A ReLU after each is one ReLU after all. Slices of the channels then
    stand where the convolutions stood, under their names. The modules of Inception
    networks begin with such convolutions (US9715642B2, claim 1; US9911069B1, claim 1).

    Args:
      model: it is left as it is; batch normalisation must be folded. One that is no
        graph of layers, or has no such convolutions, is returned itself.

    Returns:
      A functional model with the same inputs and outputs.
    """
    groups = _plan(model)
    if not groups:
        return model
    group_of = {id(conv): group for group in groups for conv in group.members}
    absorbed = {id(layer) for group in groups for layer in group.activations}
    joined: dict[int, tuple[keras.layers.Conv2D, Any]] = {}
    originals: dict[int, keras.layers.Layer] = {}
    copies = []

    def clone(layer: Any) -> Any:
        if id(layer) in group_of:
            members = group_of[id(layer)].members
            first = sum(conv.filters for conv in members[: members.index(layer)])
            copy = ChannelSlice(first, layer.filters, name=layer.name)
        else:
            copy = type(layer).from_config(layer.get_config())
            copies.append((layer, copy))
        originals[id(copy)] = layer
        return copy

    def call(copy: Any, *args: Any, **kwargs: Any) -> Any:
        layer = originals[id(copy)]
        if id(layer) in absorbed:
            return args[0]
        if id(layer) not in group_of:
            return copy(*args, **kwargs)
        group = group_of[id(layer)]
        if id(group) not in joined:
            conv = _side_by_side(group)
            joined[id(group)] = conv, conv(args[0])
        return copy(joined[id(group)][1])

    fused = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer, copy in copies:
        if isinstance(layer, keras.layers.Layer):
            copy.set_weights(layer.get_weights())
    for group in groups:
        joined[id(group)][0].set_weights(_weights(group.members))
    return fused


def check_fusible(model: keras.Model) -> None:
    """Makes sure that there is something to fuse.

    Args:
      model: as it leaves, not yet folded.

    Raises:
      ConfigError: there is not.
    """
    if not _plan(fold(model)):
        raise ConfigError(
            "export.fuse_1x1: the model has nothing to fuse. Expected a graph of layers"
            " in which several 1x1 convolutions of one stride read one input. Received"
            " true for a model without them; leave the key out."
        )


def _plan(model: keras.Model) -> list[_Joined]:
    if not isinstance(model, Functional):
        return []
    readers = readers_of(model)
    relus = {}
    for layer in model.operations:
        if isinstance(layer, keras.layers.Activation) and layer.activation is _RELU:
            for node in layer._inbound_nodes:
                relus[id(node.input_tensors[0])] = layer
    groups: dict[tuple[Any, ...], _Joined] = defaultdict(lambda: _Joined([], []))
    for layer in model.operations:
        if not _is_point(layer):
            continue
        relu = (
            relus.get(id(layer.output)) if len(readers[id(layer.output)]) == 1 else None
        )
        if relu is not None and len(relu._inbound_nodes) != 1:
            relu = None
        source = id(layer._inbound_nodes[0].input_tensors[0])
        group = groups[source, layer.strides, layer.activation, relu is not None]
        group.members.append(layer)
        if relu is not None:
            group.activations.append(relu)
    return [group for group in groups.values() if len(group.members) > 1]


def _is_point(layer: Any) -> bool:
    """Whether it is a 1x1 convolution, applied once, whose channels come last."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == _POINT
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and len(layer._inbound_nodes) == 1
    )


def _side_by_side(group: _Joined) -> keras.layers.Conv2D:
    """The convolution of all outputs; its weights are not yet set."""
    first = group.members[0]
    return keras.layers.Conv2D(
        sum(conv.filters for conv in group.members),
        _POINT,
        first.strides,
        activation=_RELU if group.activations else first.activation,
        name=f"{first.name}_joined",
    )


def _weights(members: Sequence[keras.layers.Conv2D]) -> list[np.ndarray]:
    kernels = [np.asarray(conv.kernel) for conv in members]
    biases = [
        np.asarray(conv.bias) if conv.use_bias else np.zeros(conv.filters, np.float32)
        for conv in members
    ]
    return [np.concatenate(kernels, axis=-1), np.concatenate(biases)]
