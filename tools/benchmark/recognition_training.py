"""Training of a recogniser of speech against the same one in PyTorch."""

import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.benchmark.recognition_model import FSDD
from tools.benchmark.recognition_model import Sizes
from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import speeds
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version
from tools.benchmark.training_worker import WAYS

_PROGRAM = Path(__file__).with_name("torch_las.py")
_PEERS = {"torch": {}, "torch_one_thread": {"OMP_NUM_THREADS": "1"}}
_WORKER = ["-m", "tools.benchmark.training_worker", "multidialect_asr/fsdd"]


def recognition_training(
    rounds: int = 9, num_steps: int = 10, sizes: Sizes = FSDD
) -> dict[str, Any]:
    """Utterances per second of each, some steps a turn, and ours over the peer's.

    A step is cross entropy of units and varieties, its gradient, clipped, and Adam.
    All have two cores and as many threads, but for `torch_one_thread`: where others
    compute too, threads of small products lose more time by waiting than they gain, and
    the peer that ours is compared with is the faster one. Ours reads its batches, whose
    features are in memory, and looks at masks; its `WAYS` are measured apart. The peer,
    a program of our own, has its batches ready, and no padding. The front end and the
    first step, which compiles, are not measured. Where the machine is shared, CPU time
    tells more than wall time: utterances per CPU second are those of all threads
    together. The variable TFMODELS_TORCH_PYTHON names a Python that has PyTorch.

    Raises:
      ConfigError: there is no PyTorch.
    """
    interpreter = torch_python()
    torch = torch_version(interpreter, "torch")
    cores = two_cores()
    program = [str(_PROGRAM), json.dumps(sizes.plain)]
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder, enter = Path(name), stack.enter_context
        sizes.write_sound(folder)
        rivals = {
            name: enter(Rival(program, cores, environment, interpreter))
            for name, environment in _PEERS.items()
        }
        for rival, way in WAYS.items():
            arguments = [*_WORKER, *sizes.overrides(folder), *way]
            rivals[rival] = enter(Rival(arguments, cores))
        ready = {name: rival.answer() for name, rival in rivals.items()}
        utterances = num_steps * sizes.batch_size
        found = speeds(rivals, utterances, rounds, tuple(_PEERS), steps=num_steps)
    return {
        "benchmark": "recognition_training",
        "peer": f"LAS of torch.nn.LSTM (torch_las.py), PyTorch {torch}",
        "sizes": sizes.plain,
        "parameters": {name: one["parameters"] for name, one in ready.items()},
        "rounds": rounds,
        "steps_per_turn": num_steps,
        "threads": len(cores),
        **found,
        "machine": machine(),
    }
