"""Inception-v4's and Inception-ResNet-v2's layers as TF-Slim and timm name them."""

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from tools.convert.places import Naming
from tools.convert.places import Place
from tools.convert.places import Shapes
from tools.convert.places import Step
from tools.convert.places import no_place
from tools.convert.places import part_of
from tools.convert.places import slim_place
from tools.convert.places import step_of
from tools.convert.places import torch_place

PROJECTION = "_projection"
AUXILIARY_HEAD = "model.auxiliary_head"
_REDUCTIONS = ("reduction_a", "reduction_b")
_FORKED = 2  # ends of a branch that share an input


def branches_of(shapes: Iterable[str]) -> dict[tuple[str, int], list[Step]]:
    """The convolutions of each branch of each module, in order."""
    units = dict.fromkeys(part_of(path).unit for path in shapes)
    branches: dict[tuple[str, int], list[Step]] = {}
    for step in filter(None, map(step_of, units)):
        branches.setdefault((step.module, step.branch), []).append(step)
    return {key: sorted(steps) for key, steps in branches.items()}


Counts = tuple[int, int, int]


def _blocks(counts: Counts, name: Callable[[str, int], str]) -> dict[str, str]:
    """What theirs calls the blocks; `name` takes a stage, a to c, and a number."""
    return {
        f"{stage}{number}": name(stage, number)
        for stage, count in zip("abc", counts, strict=True)
        for number in range(1, count + 1)
    }


def _slim_v4_modules(counts: Counts) -> dict[str, str]:
    digits = {"a": 5, "b": 6, "c": 7}
    return {
        **{"stem1": "Mixed_3a", "stem2": "Mixed_4a", "stem3": "Mixed_5a"},
        **{"reduction_a": "Mixed_6a", "reduction_b": "Mixed_7a"},
        **_blocks(counts, lambda s, n: f"Mixed_{digits[s]}{chr(ord('a') + n)}"),
    }


def _slim_resnet_modules(counts: Counts) -> dict[str, str]:
    repeats = {"a": "Repeat/block35", "b": "Repeat_1/block17", "c": "Repeat_2/block8"}
    return {
        "mixed": "Mixed_5b",
        **{"reduction_a": "Mixed_6a", "reduction_b": "Mixed_7a"},
        **_blocks(counts, lambda stage, number: f"{repeats[stage]}_{number}"),
        f"c{counts[2]}": "Block8",  # the one without ReLU
    }


def _slim_convolution(step: Step, branch: list[Step]) -> str:
    """``Conv2d_0b_3x3``: letters count steps, and 1a ends what shrinks the map."""
    index = branch.index(step)
    shrinks = step.module in ("stem2", "stem3", *_REDUCTIONS)
    if shrinks and index == len(branch) - 1:
        return f"Conv2d_1a_{step.kernel}"
    letter = chr(ord("a") + branch[0].number - 1 + index)
    return f"Conv2d_0{letter}_{step.kernel}"


_SLIM_STEM = {
    "conv1": "Conv2d_1a_3x3",
    "conv2": "Conv2d_2a_3x3",
    "conv3": "Conv2d_2b_3x3",
    "aux": "AuxLogits/Conv2d_1b_1x1",
    "": "Logits/Logits",
}
_SLIM_V4 = {**_SLIM_STEM, "aux_hidden": "AuxLogits/Conv2d_2a"}
_SLIM_RESNET = {
    **_SLIM_STEM,
    "conv4": "Conv2d_3b_1x1",
    "conv5": "Conv2d_4a_3x3",
    "conv6": "Conv2d_7b_1x1",
    "aux_hidden": "AuxLogits/Conv2d_2a_5x5",
}


def slim_v4_places(config: Any, shapes: Shapes) -> dict[str, Place]:
    """The places of all variables in TF-Slim's InceptionV4."""
    modules, branches = _slim_v4_modules(config.block_counts), branches_of(shapes)

    def layer(path: str) -> str:
        part = part_of(path)
        step = step_of(part.unit)
        if step is not None:
            name = _slim_convolution(step, branches[step.module, step.branch])
            return f"{modules[step.module]}/Branch_{step.branch - 1}/{name}"
        if (part.unit, part.role) == ("aux", "logits"):
            return "AuxLogits/Aux_logits"
        return _SLIM_V4[part.unit]

    return {path: slim_place(f"InceptionV4/{layer(path)}", path) for path in shapes}


def slim_resnet_places(config: Any, shapes: Shapes) -> dict[str, Place]:
    """The places of all variables in TF-Slim's InceptionResnetV2."""
    modules, branches = _slim_resnet_modules(config.block_counts), branches_of(shapes)

    def layer(path: str) -> str:
        part = part_of(path)
        step = step_of(part.unit)
        if step is not None:
            branch = branches[step.module, step.branch]
            name = _slim_convolution(step, branch)
            if step.branch == 1 and step.module not in _REDUCTIONS:
                name = "Conv2d_1x1"
            return f"{modules[step.module]}/Branch_{step.branch - 1}/{name}"
        if part.unit.endswith(PROJECTION):
            return f"{modules[part.unit.removesuffix(PROJECTION)]}/Conv2d_1x1"
        if (part.unit, part.role) == ("aux", "logits"):
            return "AuxLogits/Logits"
        return _SLIM_RESNET[part.unit]

    root = "InceptionResnetV2"
    return {path: slim_place(f"{root}/{layer(path)}", path) for path in shapes}


def _timm_v4_modules(counts: Counts) -> dict[str, str]:
    blocks = [
        [f"{s}{n + 1}" for n in range(c)] for s, c in zip("abc", counts, strict=True)
    ]
    order = (
        *("conv1", "conv2", "conv3", "stem1", "stem2", "stem3"),
        *(*blocks[0], "reduction_a", *blocks[1], "reduction_b", *blocks[2]),
    )
    return {name: f"features.{number}" for number, name in enumerate(order)}


def _timm_resnet_modules(counts: Counts) -> dict[str, str]:
    repeats = {"a": "repeat", "b": "repeat_1", "c": "repeat_2"}
    return {
        **{"conv1": "conv2d_1a", "conv2": "conv2d_2a", "conv3": "conv2d_2b"},
        **{"conv4": "conv2d_3b", "conv5": "conv2d_4a", "conv6": "conv2d_7b"},
        **{"mixed": "mixed_5b", "reduction_a": "mixed_6a", "reduction_b": "mixed_7a"},
        **_blocks(counts, lambda stage, number: f"{repeats[stage]}.{number - 1}"),
        f"c{counts[2]}": "block8",
    }


def _timm_convolution(step: Step, branch: list[Step]) -> str:
    """``branch1.2``: what is alone in its branch has no number."""
    if step.module in ("stem1", "stem3"):
        return "conv"
    name = f"branch{step.branch - 1}"
    if branch == [step] and step.number == 1:
        return name
    place = step.number - 1
    ends = [other for other in branch if other.number == branch[-1].number]
    if len(ends) != _FORKED:
        return f"{name}.{place}"
    end = "ab"[ends.index(step)] if step in ends else ""
    return f"{name}_{place}{end}"


def _timm_places(
    modules: dict[str, str], shapes: Shapes, scores: str
) -> dict[str, Place]:
    branches = branches_of(shapes)

    def place(path: str) -> Place:
        part, shape = part_of(path), shapes[path]
        step = step_of(part.unit)
        if part.unit.startswith("aux"):
            raise no_place(path, "timm", AUXILIARY_HEAD)
        if step is not None:
            branch = branches[step.module, step.branch]
            layer = f"{modules[step.module]}.{_timm_convolution(step, branch)}"
        elif part.role == "logits":
            found = torch_place(scores, path, shape)
            other = torch_place("last_linear", path, shape).name
            return found._replace(background=True, other_name=other)
        elif part.unit.endswith(PROJECTION):
            block = part.unit.removesuffix(PROJECTION)
            return torch_place(f"{modules[block]}.conv2d", path, shape)
        else:
            layer = modules[part.unit]
        return torch_place(f"{layer}.{part.role}", path, shape)

    return {path: place(path) for path in shapes}


def timm_v4_places(config: Any, shapes: Shapes) -> dict[str, Place]:
    """The places of all variables in timm's and Cadene's Inception-v4."""
    modules = _timm_v4_modules(config.block_counts)
    return _timm_places(modules, shapes, "last_linear")


def timm_resnet_places(config: Any, shapes: Shapes) -> dict[str, Place]:
    """The places of all variables in timm's and Cadene's Inception-ResNet-v2."""
    modules = _timm_resnet_modules(config.block_counts)
    return _timm_places(modules, shapes, "classif")


_COMMON = {
    "stem": "standard",
    "input_scaling": "inception",
    "output_stride": None,
    "batch_norm.epsilon": 1e-3,
}
_V4 = {**_COMMON, "factorization": "released", "padding": "valid"}
_RESNET = {
    **_COMMON,
    "wiring": "released",
    "factorization": "1xn_first",
    "residual_scales": (0.17, 0.10, 0.20),
}

SLIM_V4 = Naming({**_V4, "batch_norm.scale": False}, slim_v4_places)
# Theirs can be told to pad as ours with `same`.
SLIM_RESNET = Naming({**_RESNET, "batch_norm.scale": False}, slim_resnet_places)
RESNET_ELSEWHERE = {**_RESNET, "padding": "valid"}
TIMM_V4 = Naming({**_V4, "batch_norm.scale": True}, timm_v4_places)
TIMM_RESNET = Naming({**RESNET_ELSEWHERE, "batch_norm.scale": True}, timm_resnet_places)
