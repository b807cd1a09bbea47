"""Rewrites a trained Keras graph into an equal one with fewer operations to run."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras.src.models.functional import Functional

from tfmodels.layers.residual import ScaledAdd

_LINEAR = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Dense,
)


_NO_FORMS: Mapping[type, Any] = MappingProxyType({})


class _Affine(NamedTuple):
    """What follows a linear layer: ``y * factor + offset`` per output channel."""

    factor: Any
    offset: Any


class _Plan(NamedTuple):
    """Which layers absorb something, vanish, become a plain sum or another class."""

    affines: dict[keras.layers.Layer, _Affine]
    removed: set[keras.layers.Layer]
    sums: set[keras.layers.Layer]
    forms: Mapping[type, Any]


def fold(model: keras.Model, forms: Mapping[type, Any] = _NO_FORMS) -> keras.Model:
    """Folds batch normalisation and residual scales into the layers before them.

    A `BatchNormalization` (inference form) that reads a convolution or dense layer is
    an affine map of its output channels, and so is the scale ``s`` of
    ``trunk + s * branch``. Both move into kernel and bias, computed in float64, which
    is exact to the rounding of the result; the scaled sum becomes a plain
    `keras.layers.Add`. Where a tensor has a second reader, or the layer before is not
    linear, nothing changes. Models nested as layers are folded likewise.

    Source: residual scaling, Inception-v4 paper section 3.3.

    Args:
      model: it is left as it is. One that is no graph of layers has nothing to fold.
      forms: classes of layers to replace, each by one of the same weights and
        configuration.

    Returns:
      A functional model with the same inputs, outputs and layer names.
    """
    if not isinstance(model, Functional | keras.Sequential):
        return model
    plan = _plan(model, forms)
    clones: dict[keras.layers.Layer, keras.layers.Layer] = {}
    removed = set()

    def clone(layer: Any) -> Any:
        clones[layer] = _clone_layer(layer, plan)
        if layer in plan.removed:
            removed.add(clones[layer])
        return clones[layer]

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer in removed else layer(*args, **kwargs)

    folded = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer, copy in clones.items():
        if layer in plan.affines:
            copy.set_weights(_absorb(layer, plan.affines[layer]))
        elif _has_own_weights(layer) and layer not in plan.removed:
            copy.set_weights(layer.get_weights())
    return folded


def _plan(model: keras.Model, forms: Mapping[type, Any]) -> _Plan:
    """Walks the graph once, in the order of computation."""
    plan = _Plan({}, set(), set(), forms)
    readers = count_readers(model)
    roots: dict[int, keras.layers.Layer] = {}

    def root(tensor: Any) -> keras.layers.Layer | None:
        return roots.get(id(tensor)) if readers[id(tensor)] == 1 else None

    for layer in model.operations:
        # A layer applied twice has one set of weights for two places: left alone.
        if len(layer._inbound_nodes) != 1:
            continue
        inputs = layer._inbound_nodes[0].input_tensors
        source = root(inputs[-1]) if inputs else None
        if isinstance(layer, _LINEAR) and _is_linear(layer):
            roots[id(layer.output)] = layer
        elif source and isinstance(layer, keras.layers.BatchNormalization):
            if layer.axis in (-1, len(inputs[0].shape) - 1):
                _append(plan, source, _batch_norm(layer))
                plan.removed.add(layer)
                roots[id(layer.output)] = source
        elif source and isinstance(layer, ScaledAdd):
            _append(plan, source, _Affine(layer.scale, 0.0))
            plan.sums.add(layer)
    return plan


def count_readers(model: keras.Model) -> Counter[int]:
    """How many places read each tensor, by its identity; outputs are read once more."""
    tensors = [
        tensor
        for operation in model.operations
        for node in operation._inbound_nodes
        for tensor in node.input_tensors
    ]
    return Counter(id(tensor) for tensor in [*tensors, *model.outputs])


def _is_linear(layer: Any) -> bool:
    channels_last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return layer.activation is keras.activations.linear and channels_last


def _batch_norm(layer: keras.layers.BatchNormalization) -> _Affine:
    """The affine map of a batch normalisation in inference, float64 [C] each."""
    mean = _float64(layer.moving_mean)
    variance = _float64(layer.moving_variance)
    factor = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        factor = factor * _float64(layer.gamma)
    offset = -mean * factor
    return _Affine(factor, offset + _float64(layer.beta) if layer.center else offset)


def _float64(variable: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)


def _append(plan: _Plan, layer: keras.layers.Layer, then: _Affine) -> None:
    first = plan.affines.get(layer, _Affine(1.0, 0.0))
    plan.affines[layer] = _Affine(
        first.factor * then.factor, first.offset * then.factor + then.offset
    )


def _absorb(layer: Any, affine: _Affine) -> list[np.ndarray]:
    """The layer's kernel and bias after the affine map, float32."""
    kernel = _float64(layer.kernel)
    bias = np.zeros(kernel.shape[-1])
    if layer.use_bias:
        bias += _float64(layer.bias)
    values = [kernel * affine.factor, bias * affine.factor + affine.offset]
    return [value.astype(np.float32) for value in values]


def _has_own_weights(layer: Any) -> bool:
    """False for plain operations, and for models, whose weights `fold` has set."""
    is_layer = isinstance(layer, keras.layers.Layer)
    return is_layer and not isinstance(layer, keras.Model)


def _clone_layer(layer: Any, plan: _Plan) -> Any:
    """A layer of the same name for the folded graph, its weights not yet set."""
    if isinstance(layer, keras.Model):
        return fold(layer, plan.forms)
    if layer in plan.sums:
        return keras.layers.Add(name=layer.name)
    config = layer.get_config()
    if layer in plan.affines:
        config["use_bias"] = True
    return plan.forms.get(type(layer), type(layer)).from_config(config)
