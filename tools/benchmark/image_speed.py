"""Training of image classifiers, and their answers, against the same in PyTorch."""

import dataclasses
import json
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tools.benchmark.image_model import Case
from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import speeds
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version

_PROGRAM = Path(__file__).with_name("torch_images.py")
_ORDERS = {"torch": False, "torch_channels_last": True}
CASES = (
    Case("googlenet", batch_size=8, steps=4),
    Case("googlenet", batch_size=32),
    Case("googlenet_bn", batch_size=8, steps=4),
    Case("googlenet_bn", batch_size=32),
    Case("inception_v4", batch_size=8, side=299),
    Case("inception_v4", batch_size=32, side=299),
)
"""What can be measured."""


def image_training(
    rounds: int = 5,
    network: str = "",
    batch_size: int = 0,
    xla: bool = False,
    cases: Sequence[Case] = CASES,
) -> dict[str, Any]:
    """Images per second of each, some steps a turn, and ours over the faster peer's.

    A step is the losses of all heads, their gradient, L2 on kernels and the published
    optimizer: momentum for GoogLeNet, as drawn and with batch normalisation; RMSProp
    with clipping for Inception-v4. Both have two cores and as many threads. Ours reads
    its images from TFRecords, counts hits and looks whether the update is finite; the
    peer, a program of our own, has one batch in memory, in either order of the axes.
    The variable TFMODELS_TORCH_PYTHON names a Python that has PyTorch.

    Args:
      rounds: turns each rival gets.
      network: which one; all when empty.
      batch_size: which one; when 0, all but 32 images of Inception-v4, a step of which
        is half a minute.
      xla: whether ours with ``run.xla`` competes too.
      cases: what there is to choose from.

    Raises:
      CheckFailed: the networks are not the same.
      ConfigError: there is no PyTorch, or no such case.
    """
    wanted = _chosen(cases, network, batch_size)
    if not batch_size:
        long = Case("inception_v4", batch_size=32, side=299)
        wanted = [case for case in wanted if case != long]
    return _measured("image_training", wanted, rounds, xla, training=True)


def image_inference(
    rounds: int = 5,
    network: str = "",
    batch_size: int = 0,
    xla: bool = False,
    cases: Sequence[Case] = CASES,
) -> dict[str, Any]:
    """Images per second of each, some batches a turn, and ours over the faster peer's.

    Both answer the same batch again and again, without side classifiers, and with batch
    normalisation folded into the convolutions. Both have two cores and as many threads.
    The peer, a program of our own, has its images in either order of the axes. The
    variable TFMODELS_TORCH_PYTHON names a Python that has PyTorch.

    Args:
      rounds: turns each rival gets.
      network: which one; all when empty.
      batch_size: which one; all when 0.
      xla: whether ours compiled by XLA competes too.
      cases: what there is to choose from.

    Raises:
      CheckFailed: the networks are not the same.
      ConfigError: there is no PyTorch, or no such case.
    """
    wanted = _chosen(cases, network, batch_size)
    return _measured("image_inference", wanted, rounds, xla, training=False)


def _chosen(cases: Sequence[Case], network: str, batch_size: int) -> list[Case]:
    found = [
        case
        for case in cases
        if network in ("", case.network) and batch_size in (0, case.batch_size)
    ]
    if not found:
        known = ", ".join(f"{case.network} {case.batch_size}" for case in cases)
        raise ConfigError(
            "network, batch_size: there is nothing of that to measure. Expected one of"
            f" {known}. Received {network or 'all'} {batch_size or 'all'}."
        )
    return found


def _measured(
    name: str, cases: Sequence[Case], rounds: int, xla: bool, training: bool
) -> dict[str, Any]:
    interpreter = torch_python()
    torch = torch_version(interpreter, "torch")
    cores = two_cores()
    results = []
    for case in cases:
        with TemporaryDirectory() as folder, ExitStack() as stack:
            ours = _ours(case, Path(folder), training)
            programs = {
                name: (ours[name], sys.executable)
                for name in ("ours", "xla")[: 1 + xla]
            }
            for order, last in _ORDERS.items():
                how = json.dumps({"training": training, "channels_last": last})
                peer = [str(_PROGRAM), json.dumps(case.plain), how]
                programs[order] = (peer, interpreter)
            rivals = {
                name: stack.enter_context(Rival(arguments, cores, None, python))
                for name, (arguments, python) in programs.items()
            }
            ready = {name: rival.answer() for name, rival in rivals.items()}
            counts = check_same(ready)
            images = case.steps * case.batch_size
            found = speeds(rivals, images, rounds, tuple(_ORDERS), steps=case.steps)
        results.append({**dataclasses.asdict(case), **counts, **found})
    return {
        "benchmark": name,
        "peer": f"the same networks (torch_inception.py), PyTorch {torch}",
        "rounds": rounds,
        "threads": len(cores),
        "results": results,
        "machine": machine(),
    }


def _ours(case: Case, folder: Path, training: bool) -> dict[str, list[str]]:
    """Arguments of our programs, by name."""
    compiled = {"ours": False, "xla": True}
    if not training:
        plain = json.dumps(dataclasses.asdict(case))
        worker = ["-m", "tools.benchmark.image_worker", plain]
        return {name: [*worker, json.dumps(xla)] for name, xla in compiled.items()}
    data = case.write_images(folder)
    worker = ["-m", "tools.benchmark.training_worker", case.config]
    return {
        name: [*worker, *case.overrides(data, xla)] for name, xla in compiled.items()
    }


def check_same(ready: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """What all programs count of their networks: weights and multiply-adds.

    Args:
      ready: what each program said first; one that trains counts weights only.

    Raises:
      CheckFailed: two programs do not count the same.
    """
    counts: dict[str, int] = {}
    for key in ("parameters", "multiply_adds"):
        said = {name: one[key] for name, one in ready.items() if key in one}
        if len(set(said.values())) > 1:
            raise CheckFailed(
                f"the rivals are not the same network. Expected as many {key} in all."
                f" Received {said}."
            )
        counts[key] = next(iter(said.values()))
    return counts
