"""A program that trains GoogLeNet or Inception-v4 in PyTorch, or asks it for answers.

Needs PyTorch and NumPy, and of this project only the file beside it. Its arguments are
JSON: the fields of `image_model.Case`, and ``{"training": ..., "channels_last": ...}``.
It says its numbers of weights and multiply-adds when it is ready. Each line on standard
input, ``{"steps": N}``, is then answered with the CPU seconds that they took. It has a
thread for each core, or as many as OMP_NUM_THREADS says.

Before it is asked, batch normalisation is folded into the convolutions, and the side
classifiers are gone.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_inception import Classifier  # type: ignore[import-not-found]
from torch_inception import Unit
from torch_inception import googlenet
from torch_inception import inception_v4


def main(case: dict[str, Any], training: bool, channels_last: bool) -> None:
    """Answers requests until there are no more."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    num_cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", num_cores)))
    torch.manual_seed(0)
    make = inception_v4 if case["network"] == "inception_v4" else googlenet
    model = make(case)
    images = torch.rand(case["batch_size"], 3, case["side"], case["side"]) * 2 - 1
    if not training:
        model.heads = nn.ModuleList()
    ready = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "multiply_adds": _multiply_adds(model.eval(), images[:1]),
    }
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    step = (trainer if training else answerer)(model, images, case)
    step()
    print(json.dumps(ready), file=output)
    for line in sys.stdin:
        started = time.process_time()
        for _ in range(json.loads(line)["steps"]):
            step()
        seconds = time.process_time() - started
        print(json.dumps({"cpu_seconds": seconds}), file=output)


def _multiply_adds(model: nn.Module, image: torch.Tensor) -> int:
    """Those of convolutions and linear layers, for one image."""
    counted = []

    def count(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        counted.append(layer.weight.numel() * output[0, 0].numel())

    layers = [x for x in model.modules() if isinstance(x, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.inference_mode():
        model(image)
    for hook in hooks:
        hook.remove()
    return sum(counted)


def trainer(
    model: Classifier, images: torch.Tensor, case: dict[str, Any]
) -> Callable[[], None]:
    """A function that makes a step on images that wait in memory."""
    labels = torch.randint(case["num_classes"], (len(images),))
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": case["l2"]},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer = (
        torch.optim.SGD(groups, lr=0.01, momentum=0.9, fused=True)
        if case["clip_global_norm"] is None
        else torch.optim.RMSprop(groups, 0.045, 0.9, 1.0, momentum=0.9, foreach=True)
    )
    model.train()

    def loss(logits: torch.Tensor) -> torch.Tensor:
        smoothing = case["label_smoothing"]
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)

    def step() -> None:
        optimizer.zero_grad()
        main, *sides = map(loss, model(images))
        total = main + case["auxiliary_weight"] * sum(sides)
        total.backward()
        if case["clip_global_norm"] is not None:
            nn.utils.clip_grad_norm_(parameters, case["clip_global_norm"])
        optimizer.step()
        total.item()

    return step


def answerer(
    model: Classifier, images: torch.Tensor, case: dict[str, Any]
) -> Callable[[], None]:
    """A function that asks a network without batch normalisation for logits."""
    for unit in model.modules():
        if isinstance(unit, Unit) and unit.norm is not None:
            unit.conv = fuse_conv_bn_eval(unit.conv, unit.norm)
            unit.norm = None

    @torch.inference_mode()
    def step() -> None:
        model(images)

    return step


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), **json.loads(sys.argv[2]))
