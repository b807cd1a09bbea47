"""Rewrites a trained Keras graph into an equal one with fewer operations to run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras.src.models.functional import Functional

from tfmodels.compression.chains import affine_chains
from tfmodels.layers.residual import ScaledAdd

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
    """What `affine_chains` finds, in numbers."""
    plan = _Plan({}, set(), set(), forms)
    for layer, followers in affine_chains(model).items():
        for follower in followers:
            if isinstance(follower, ScaledAdd):
                _append(plan, layer, _Affine(follower.scale, 0.0))
                plan.sums.add(follower)
            else:
                _append(plan, layer, _batch_norm(follower))
                plan.removed.add(follower)
    return plan


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
