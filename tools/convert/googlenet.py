"""GoogLeNet's layers as TF-Slim and torchvision name them."""

from typing import Any

from tfmodels.googlenet.config import VARIANTS
from tools.convert.places import Naming
from tools.convert.places import Place
from tools.convert.places import Shape
from tools.convert.places import Shapes
from tools.convert.places import Step
from tools.convert.places import no_place
from tools.convert.places import part_of
from tools.convert.places import slim_place
from tools.convert.places import step_of
from tools.convert.places import torch_place

_SLIM_MODULES = dict(
    zip(
        ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"),
        ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"),
        strict=True,
    )
)
_SLIM_LAYERS = {
    "conv1": "Conv2d_1a_7x7",
    "conv2_reduce": "Conv2d_2b_1x1",
    "conv2": "Conv2d_2c_3x3",
    "": "Logits/Conv2d_0c_1x1",
}
_TORCH_LAYERS = {
    "conv1": "conv1",
    "conv2_reduce": "conv2",
    "conv2": "conv3",
    "": "fc",
    **{f"aux{n}": f"aux{n}" for n in (1, 2)},
    **{f"aux{n}_hidden": f"aux{n}.fc1" for n in (1, 2)},
}
# A side head looks at 4 x 4 places; theirs flattens channels first.
_SIDE = 4
_WIRING = (
    "input_scaling",
    "local_response_norm",
    "third_kernel",
    "last_pool_size",
    "symmetric_padding",
)


def slim_places(config: Any, shapes: Shapes) -> dict[str, Place]:
    """The places of all variables in TF-Slim's InceptionV1."""
    del config
    return {path: _slim_place(path) for path in shapes}


def _slim_place(path: str) -> Place:
    part = part_of(path)
    step = step_of(part.unit)
    if step is None and part.unit in _SLIM_LAYERS:
        place = slim_place(f"InceptionV1/{_SLIM_LAYERS[part.unit]}", path)
        # Scores are made by a convolution there.
        scores = part.role == "logits" and part.variable == "kernel"
        return place._replace(ones=2) if scores else place
    if step is None or step.module not in _SLIM_MODULES:
        raise no_place(path, "slim", _key(part.unit, step))
    letter = "a" if step.number == 1 else "b"
    # Frozen in public checkpoints.
    if (step.module, step.branch, step.number) == ("5a", 3, 2):
        letter = "a"
    module = f"InceptionV1/Mixed_{_SLIM_MODULES[step.module]}"
    layer = f"Branch_{step.branch - 1}/Conv2d_0{letter}_{step.kernel}"
    return slim_place(f"{module}/{layer}", path)


def torchvision_places(config: Any, shapes: Shapes) -> dict[str, Place]:
    """The places of all variables in torchvision's GoogLeNet."""
    del config
    return {path: _torchvision_place(path, shape) for path, shape in shapes.items()}


def _torchvision_place(path: str, shape: Shape) -> Place:
    part = part_of(path)
    step = step_of(part.unit)
    if step is not None and step.module in _SLIM_MODULES:
        layer = f"inception{step.module}.branch{step.branch}"
        if step.branch != 1:
            layer += f".{step.number - 1}"
    elif step is None and part.unit in _TORCH_LAYERS:
        layer = _TORCH_LAYERS[part.unit]
    else:
        raise no_place(path, "torchvision", _key(part.unit, step))
    if part.role in ("conv", "bn"):
        return torch_place(f"{layer}.{part.role}", path, shape)
    if part.role == "logits":
        return torch_place(f"{layer}.fc2" if part.unit else layer, path, shape)
    split = None
    if part.variable == "kernel":
        split = (_SIDE, _SIDE, shape[0] // _SIDE**2, shape[1])
    return torch_place(layer, path, shape, split)


def _key(unit: str, step: Step | None) -> str:
    """The key of the configuration that gives a model a layer of this name."""
    if step is not None:
        return "model.stages"
    return "model.heads" if unit.startswith("aux") else "model.stem"


def _settings(variant: str) -> dict[str, Any]:
    settings = {key: VARIANTS[variant].get(key, False) for key in _WIRING}
    return {"variant": variant, **settings, "batch_norm.epsilon": 1e-3}


SLIM = Naming({**_settings("slim"), "batch_norm.scale": False}, slim_places)
TORCHVISION = Naming(
    {**_settings("torchvision"), "batch_norm.scale": True}, torchvision_places
)
