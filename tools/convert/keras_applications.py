"""Inception-ResNet-v2's layers as keras.applications names them, and Keras's files."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from tfmodels.errors import DataError
from tools.convert.inception_v4 import AUXILIARY_HEAD
from tools.convert.inception_v4 import PROJECTION
from tools.convert.inception_v4 import RESNET_ELSEWHERE
from tools.convert.places import Naming
from tools.convert.places import Place
from tools.convert.places import Shapes
from tools.convert.places import no_place
from tools.convert.places import part_of
from tools.convert.places import step_of
from tools.convert.weights import Weights

if TYPE_CHECKING:
    import h5py

_CLASSES = {"conv": "conv2d", "bn": "batch_normalization", "logits": "dense"}
_BY_RANK = {4: "conv2d", 1: "batch_normalization", 2: "dense"}
_BLOCKS = {"a": "block35", "b": "block17", "c": "block8"}
_LAST = {"conv6": "conv_7b", "": "predictions"}
_NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?(/\w+)")
# What stands beside weights in a file.
_NO_WEIGHTS = "optimizer/"
_INSIDE = "model.weights.h5"


def keras_places(config: Any, shapes: Shapes) -> dict[str, Place]:
    """The places of all variables in keras.applications' InceptionResNetV2.

    Most layers have no name but a number in the order in which they were made: by
    module, branch and step. Files number all of a class, in the order of the model's
    layers, and then the variables of each.
    """
    del config
    made, position = _made_order(shapes), _positions(shapes)
    return {
        path: Place(f"{_layer(path, made)}/{part_of(path).variable}", other_name=name)
        for path, name in position.items()
    }


def _made_order(shapes: Shapes) -> dict[str, int]:
    """The number of each unit among those that have no name."""
    units = dict.fromkeys(part_of(path).unit for path in shapes)
    modules: dict[str, list[str]] = {}
    for unit in units:
        if unit not in _LAST and not unit.endswith(PROJECTION):
            step = step_of(unit)
            modules.setdefault(step.module if step else unit, []).append(unit)
    # Names of a module's units sort by branch, then by step.
    ordered = [unit for module in modules.values() for unit in sorted(module)]
    return {unit: number for number, unit in enumerate(ordered)}


def _layer(path: str, made: Mapping[str, int]) -> str:
    part = part_of(path)
    if part.unit.startswith("aux"):
        raise no_place(path, "keras", AUXILIARY_HEAD)
    if part.unit in _LAST:
        return _LAST[part.unit] + ("_bn" if part.role == "bn" else "")
    if part.unit.endswith(PROJECTION):
        return f"{_BLOCKS[part.unit[0]]}_{part.unit[1:].removesuffix(PROJECTION)}_conv"
    return _counted(_CLASSES[part.role], made[part.unit])


def _positions(shapes: Shapes) -> dict[str, str]:
    """``layers/conv2d_3/vars/0`` of each path."""
    layers: dict[tuple[str, str], str] = {}
    classes, variables = Counter[str](), Counter[str]()
    found = {}
    for path in shapes:
        unit, role, _ = part_of(path)
        if (unit, role) not in layers:
            name = _CLASSES[role]
            layers[unit, role] = f"layers/{_counted(name, classes[name])}/vars"
            classes[name] += 1
        layer = layers[unit, role]
        found[path] = f"{layer}/{variables[layer]}"
        variables[layer] += 1
    return found


def _counted(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def keras_weights(arrays: Mapping[str, np.ndarray], source: str) -> Weights:
    """The arrays of a model of keras.applications by their variables' paths.

    Names count on from one model of a process to the next: they are counted anew.

    Args:
      arrays: by names such as ``conv2d_203/kernel``.
      source: what they were read from, for messages.
    """
    plain = {name.removesuffix(":0"): array for name, array in arrays.items()}
    found = [match for match in map(_NUMBERED.fullmatch, plain) if match]
    first: dict[str, int] = {}
    for match in found:
        kind, number = match[1], int(match[2] or 0)
        first[kind] = min(number, first.get(kind, number))
    names = {
        match[0]: _counted(match[1], int(match[2] or 0) - first[match[1]]) + match[3]
        for match in found
    }
    return Weights({names.get(name, name): plain[name] for name in plain}, source)


def read_keras(path: Path) -> Weights:
    """Reads a file that Keras wrote, weights or a whole model, or a .npz file.

    Raises:
      DataError: it is missing, damaged, or none of these.
    """
    if path.suffix == ".npz":
        return keras_weights(Weights.read(path).arrays, str(path))
    import h5py

    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as whole:
                content = io.BytesIO(whole.read(_INSIDE))
            with h5py.File(content) as file:
                arrays = _arrays(file)
        else:
            with h5py.File(path) as file:
                arrays = _arrays(file)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: the weights cannot be read. Expected a .h5 or .keras file that"
            f" Keras wrote, or a .npz file. Received {type(error).__name__}: {error}."
        ) from None
    return keras_weights(arrays, str(path))


def _arrays(file: "h5py.File") -> dict[str, np.ndarray]:
    """All weights by position, which older files tell by the order of their layers."""
    import h5py

    arrays: dict[str, np.ndarray] = {}
    if "layers" in file:

        def add(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith(_NO_WEIGHTS):
                arrays[name] = item[()]

        file.visititems(add)
        return arrays
    root, classes = file.get("model_weights", file), Counter[str]()
    for layer in root.attrs["layer_names"]:
        group = root[layer]
        values = [group[name][()] for name in group.attrs["weight_names"]]
        if values:
            kind = _BY_RANK[values[0].ndim]
            name = _counted(kind, classes[kind])
            classes[kind] += 1
            arrays |= {f"layers/{name}/vars/{n}": v for n, v in enumerate(values)}
    return arrays


KERAS = Naming(
    {**RESNET_ELSEWHERE, "batch_norm.scale": False}, keras_places, read_keras
)
