"""A described graph as a tf-keras model; the worker alone imports this."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tf_keras

from export.model_optimization import layers
from export.model_optimization.accepted import ACCEPTED

_INPUT = "InputLayer"


def rebuild(description: Mapping[str, Any]) -> Any:
    """Builds the graph, with fresh weights.

    Args:
      description: what `description.describe` made.

    Returns:
      A `tf_keras.Model` whose layers have the same names. It takes one tensor and
      returns a list, in the order of the description's outputs.
    """
    tensors: dict[str, Any] = {}
    for entry in description["layers"]:
        name, kind, config = entry["name"], entry["class"], entry["config"]
        if kind not in ACCEPTED:
            raise ValueError(f"{name}: there is no layer of the class {kind} here")
        if kind == _INPUT:
            image = tf_keras.Input(batch_shape=config["batch_shape"], name=name)
            tensors[name] = image
            continue
        make = getattr(layers, kind, None) or getattr(tf_keras.layers, kind)
        read = [tensors[other] for other in entry["inputs"]]
        tensors[name] = make(name=name, **config)(read if len(read) > 1 else read[0])
    ends = [tensors[name] for name in description["outputs"].values()]
    return tf_keras.Model(image, ends)


def variables_of(model: Any) -> dict[str, Any]:
    """The variables of a model's layers by ``layer/variable``."""
    return {
        f"{layer.name}/{variable.name.rpartition('/')[2].removesuffix(':0')}": variable
        for layer in model.layers
        for variable in layer.weights
    }


def weights_of(model: Any) -> dict[str, np.ndarray]:
    """The weights of a model's layers by ``layer/variable``, float32."""
    return {name: value.numpy() for name, value in variables_of(model).items()}


def load_weights(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Gives a model its weights.

    Raises:
      ValueError: there is one too many or too few, or one has another shape.
    """
    variables = variables_of(model)
    if variables.keys() != arrays.keys():
        raise ValueError(
            "the weights are not those of the model: "
            + ", ".join(sorted(variables.keys() ^ arrays.keys())[:5])
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise ValueError(
                f"{name} has the shape {arrays[name].shape}, expected {variable.shape}"
            )
        variable.assign(arrays[name])
