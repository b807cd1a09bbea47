"""A Keras 3 graph as plain data, from which another program can rebuild it."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional

from export.model_optimization.accepted import ACCEPTED
from export.model_optimization.accepted import ACTIVATIONS
from tfmodels.compression.chains import affine_chains
from tfmodels.errors import ConfigError
from tfmodels.layers.dropout import Dropout
from tfmodels.layers.normalization import BatchNormalization
from tfmodels.layers.normalization import LocalResponseNormalization
from tfmodels.layers.residual import ScaledAdd

Description = dict[str, Any]
"""``layers``: a list of ``name``, ``class``, ``config`` and ``inputs``, names of
earlier layers. ``outputs``: layers by the names of the outputs, class scores first."""

Arrays = dict[str, np.ndarray]
"""Weights by the paths of variables, ``layer/variable``."""

_OURS = {
    kind.__name__: kind
    for kind in (BatchNormalization, Dropout, LocalResponseNormalization, ScaledAdd)
}
# By the very class: a class derived from one of them may compute something else.
_NAMES: Mapping[type, str] = {
    **{
        vars(keras.layers)[name]: name
        for name in ACCEPTED
        if hasattr(keras.layers, name)
    },
    **{kind: name for name, kind in _OURS.items()},
}
_MAIN = "logits"
_FLOATING = "LocalResponseNormalization"


def describe(model: keras.Model) -> Description:
    """Walks a graph in the order of computation.

    Args:
      model: a functional model with named outputs, ``logits`` among them, each of whose
        layers is used once.

    Raises:
      ConfigError: it is no such graph, or a layer is not in `accepted.ACCEPTED`, or
        is in a form that is not.
    """
    if not isinstance(model, Functional):
        raise ConfigError(
            "model.kind: tensorflow-model-optimization cannot take the model. Expected"
            f" a graph of layers. Received a model of the class {type(model).__name__}."
        )
    layers: list[dict[str, Any]] = []
    makers: dict[int, str] = {}
    for layer in model.operations:
        name = _NAMES.get(type(layer))
        if name is None:
            raise refusal(layer.name, type(layer).__name__)
        if len(layer._inbound_nodes) != 1:
            raise refusal(layer.name, f"a {name} that is applied more than once")
        tensors = layer._inbound_nodes[0].input_tensors
        layers.append(
            {
                "name": layer.name,
                "class": name,
                "config": _config(layer, name),
                "inputs": [makers[id(tensor)] for tensor in tensors],
            }
        )
        makers[id(layer.output)] = layer.name
    outputs = {name: makers[id(tensor)] for name, tensor in model.output.items()}
    return {"layers": layers, "outputs": {_MAIN: outputs.pop(_MAIN), **outputs}}


def refusal(name: str, received: str, without: str | None = None) -> ConfigError:
    """The error that a layer cannot be taken.

    Args:
      name: of the layer.
      received: its class, or what else is wrong with it.
      without: an accepted class that is not accepted here.
    """
    accepted = ", ".join(kind for kind in ACCEPTED if kind != without)
    return ConfigError(
        f"model: tensorflow-model-optimization cannot take the layer {name}. Expected"
        f" layers of these classes, each used once: {accepted}. Received {received}."
    )


def _config(layer: keras.layers.Layer, name: str) -> dict[str, Any]:
    config = layer.get_config()
    activation = config.get("activation", ACTIVATIONS[0])
    if activation not in ACTIVATIONS:
        raise refusal(layer.name, f"a {name} with the activation {activation!r}")
    if config.get("data_format", "channels_last") != "channels_last":
        raise refusal(layer.name, f"a {name} with channels first")
    return {key: config[key] for key in ACCEPTED[name]}


def weights_of(model: keras.Model) -> Arrays:
    """The weights of a model, float32."""
    return {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}


def integer_form(model: keras.Model, description: Description) -> dict[str, float]:
    """Makes scaled sums plain ones, for weights that hold the scale.

    The library imitates integers in layers of Keras only.

    Args:
      model: what was described.
      description: of the model; changed where it is.

    Returns:
      Factors by the paths of variables, of weights that are multiplied.

    Raises:
      ConfigError: no layer can take in a scale, or a layer has no integer form.
    """
    carriers = {
        follower.name: layer
        for layer, followers in affine_chains(model).items()
        for follower in followers
        if isinstance(follower, ScaledAdd) and len(followers) == 1 and follower.scale
    }
    factors: dict[str, float] = {}
    for entry in description["layers"]:
        if entry["class"] == _FLOATING:
            raise refusal(entry["name"], f"{_FLOATING} for integers", _FLOATING)
        if entry["class"] != "ScaledAdd":
            continue
        if entry["name"] not in carriers:
            received = "a ScaledAdd of a branch that does not end in a convolution"
            raise refusal(entry["name"], received)
        scale = entry["config"].pop("scale")
        entry["class"] = "Add"
        carrier = carriers[entry["name"]]
        factors |= {variable.path: scale for variable in carrier.weights}
    return factors


def scaled(arrays: Arrays, factors: Mapping[str, float], back: bool = False) -> Arrays:
    """Weights times their factors, or, `back`, through them; float32."""
    made = dict(arrays)
    for name, factor in factors.items():
        exact = arrays[name].astype(np.float64)
        exact = exact / factor if back else exact * factor
        made[name] = exact.astype(np.float32)
    return made
