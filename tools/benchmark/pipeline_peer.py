"""Against torch.distributed.pipelining on the same Transformer, batch and schedule."""

import json
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.benchmark.pipeline_model import SIZES
from tools.benchmark.pipeline_model import Sizes
from tools.benchmark.pipeline_model import pipeline_rival
from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import compare
from tools.benchmark.rivals import start
from tools.benchmark.rivals import stop
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version
from tools.launch.local import free_ports

_PROGRAM = Path(__file__).with_name("torch_pipeline.py")


def pipeline_peer(
    rounds: int = 9, num_steps: int = 5, sizes: Sizes = SIZES
) -> dict[str, Any]:
    """Steps per second of each, some steps a turn, and ours over the peer's.

    Two stages, 1F1B, Adam, float32, one core for each stage: PyTorch has a process
    with one thread on each (gloo); so has `remote` (gRPC), and a third process that
    directs them; `local` is a single process with a device for each core.
    `remote_one_micro_batch` is what `remote` does without a pipeline: no stage has two
    cores there, whatever waits. The variable TFMODELS_TORCH_PYTHON names a Python that
    has PyTorch.

    Raises:
      ConfigError: there is no PyTorch.
    """
    interpreter = torch_python()
    torch = torch_version(interpreter)
    cores = two_cores()
    ours: dict[str, Any] = {"stages": 2, "schedule": "1f1b", "inline": "true"}
    with ExitStack() as stack:
        enter = stack.enter_context

        def remote(**changes: Any) -> Rival:
            cluster = enter(_workers(cores))
            settings = {**ours, "remote": "true", **changes}
            return enter(pipeline_rival(sizes, cores, cluster, **settings))

        rivals = {
            "torch": enter(_torch(interpreter, sizes, cores)),
            "local": enter(pipeline_rival(sizes, cores, **ours)),
            "remote": remote(),
            "remote_one_micro_batch": remote(microbatches=1),
        }
        per_second, _ = compare(rivals, num_steps, rounds)
    return {
        "benchmark": "pipeline_peer",
        "peer": f"torch.distributed.pipelining, PyTorch {torch}",
        "sizes": sizes.plain,
        "rounds": rounds,
        "steps_per_turn": num_steps,
        "steps_per_second": per_second,
        "local_over_torch": per_second["local"] / per_second["torch"],
        "remote_over_torch": per_second["remote"] / per_second["torch"],
        "remote_over_one_micro_batch": per_second["remote"]
        / per_second["remote_one_micro_batch"],
        "machine": machine(),
    }


def _torch(interpreter: str, sizes: Sizes, cores: Sequence[int]) -> Rival:
    address = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    settings = json.dumps({**sizes.plain, "cores": cores, "address": address})
    return Rival([str(_PROGRAM), settings], cores, interpreter=interpreter)


@contextmanager
def _workers(cores: Sequence[int]) -> Iterator[dict[str, str]]:
    """Context in which a worker waits on each core; the environment of who directs."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(1 + len(cores))]
    cluster = {"chief": addresses[:1], "worker": addresses[1:]}

    def environment(job: str, index: int) -> dict[str, str]:
        task = {"type": job, "index": index}
        return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}

    command = [sys.executable, "-m", "tools.cli", "launch", "worker"]
    with ExitStack() as stack:
        for index, core in enumerate(cores):
            worker = start(command, [core], environment("worker", index))
            stack.callback(stop, worker)
        yield environment("chief", 0)
