"""Training of a translation model against the same one in PyTorch."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import speeds
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version
from tools.benchmark.training_worker import WAYS
from tools.benchmark.translation_model import Sizes

_PROGRAM = Path(__file__).with_name("torch_gnmt.py")
_WORKER = ["-m", "tools.benchmark.training_worker", "gnmt/tiny"]
SIZES = (Sizes(), Sizes(batch_size=128), Sizes(width=256, batch_size=128))


def translation_training(
    rounds: int = 9, num_steps: int = 10, sizes: Sequence[Sizes] = SIZES
) -> dict[str, Any]:
    """Target tokens per second of each, some steps a turn, and ours over the peer's.

    Both have two cores and as many threads. Ours reads its batches from text, and looks
    at masks; its `WAYS` are measured apart. The peer, a program of our own, makes up
    its batches, which have no padding. Where the machine is shared, CPU time tells more
    than wall time: tokens per CPU second are those of all threads together. The
    variable TFMODELS_TORCH_PYTHON names a Python that has PyTorch.

    Raises:
      ConfigError: there is no PyTorch.
    """
    interpreter = torch_python()
    torch = torch_version(interpreter)
    cores = two_cores()
    return {
        "benchmark": "translation_training",
        "peer": f"GNMT of torch.nn.LSTM (torch_gnmt.py), PyTorch {torch}",
        "rounds": rounds,
        "steps_per_turn": num_steps,
        "threads": len(cores),
        "results": [
            _compared(size, interpreter, cores, rounds, num_steps) for size in sizes
        ],
        "machine": machine(),
    }


def _compared(
    sizes: Sizes, interpreter: str, cores: Sequence[int], rounds: int, num_steps: int
) -> dict[str, Any]:
    """Target tokens per second at some sizes."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        text = Path(folder) / "text.tsv"
        sizes.write_text(text)
        enter = stack.enter_context
        rivals = {
            "torch": enter(
                Rival(
                    [str(_PROGRAM), json.dumps(sizes.plain)], cores, None, interpreter
                )
            ),
            **{
                name: enter(Rival([*_WORKER, *sizes.overrides(text), *way], cores))
                for name, way in WAYS.items()
            },
        }
        ready = {name: rival.answer() for name, rival in rivals.items()}
        tokens = num_steps * sizes.batch_size * sizes.length
        found = speeds(rivals, tokens, rounds, ("torch",), steps=num_steps)
    return {"sizes": sizes.plain, "parameters": _parameters(ready), **found}


def _parameters(ready: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {name: answer["parameters"] for name, answer in ready.items()}
