"""Replicas as processes: pushes per second of one, two and four, and how stale."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import compare
from tools.benchmark.rivals import start
from tools.benchmark.rivals import stop
from tools.benchmark.timing import machine
from tools.launch.local import free_ports
from tools.launch.members import arguments
from tools.launch.members import members
from tools.launch.members import roles
from trainers.strategies.config import ParameterServerConfig

CONFIG = "async_sequence/tiny"
"""Whose last stage has steps that take long enough to share out."""
_CHIEF = "tools.benchmark.parameter_server_chief"
# A worker of TensorFlow answers, while it works, only if it has threads to spare.
_THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "4"}


def parameter_server(
    rounds: int = 5,
    num_steps: int = 100,
    runtimes: Sequence[str] = ("coordinator", "rpc"),
    workers: Sequence[int] = (1, 2, 4),
    config: str = CONFIG,
) -> dict[str, Any]:
    """Pushes per second of each number of replicas, taking turns, and the ratios.

    All train the last stage of the same recipe, by default sequences in batches of 16
    utterances, from random weights. A replica has one core, and shares it with others
    if there are more than cores; one server and the chief take what is left.
    `staleness` is how many of all pushes had which.
    """
    per_second: dict[str, float] = {}
    staleness: dict[str, dict[str, int]] = {}
    for runtime in runtimes:
        with ExitStack() as stack:
            rivals = {
                f"{runtime} {count}": stack.enter_context(
                    _cluster(config, runtime, count)
                )
                for count in workers
            }
            found, answers = compare(rivals, num_steps, rounds)
        per_second |= found
        for name, given in answers.items():
            total = sum((Counter(each["staleness"]) for each in given), Counter())
            staleness[name] = dict(sorted(total.items(), key=lambda pair: int(pair[0])))
    first = workers[0]
    return {
        "benchmark": "parameter_server",
        "config": config,
        "rounds": rounds,
        "pushes_per_turn": num_steps,
        "pushes_per_second": per_second,
        f"over_{first}_replica": {
            f"{runtime} {count}": per_second[f"{runtime} {count}"]
            / per_second[f"{runtime} {first}"]
            for runtime in runtimes
            for count in workers[1:]
        },
        "staleness": staleness,
        "machine": machine(),
    }


@contextmanager
def _cluster(config: str, runtime: str, workers: int) -> Iterator[Rival]:
    """The chief of some replicas; all end with the context."""
    change = f"strategy.runtime={runtime}"
    strategy = ParameterServerConfig.parse({"runtime": runtime})
    jobs = roles(strategy, workers, 1)
    ports = free_ports(sum(role.count for role in jobs))
    cluster = members(jobs, [f"127.0.0.1:{port}" for port in ports])
    words = arguments(config, Path(), [change])
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        for place, member in enumerate(cluster[1:]):
            replica = member.role.job == "worker"
            process = start(
                [sys.executable, "-m", "tools.cli", *words[member.role.command]],
                [cores[place % len(cores)]] if replica else cores,
                {"TF_CONFIG": member.tf_config, **_THREADS},
            )
            stack.callback(stop, process)
        environment = {"TF_CONFIG": cluster[0].tf_config}
        chief = ["-m", _CHIEF, config, change, str(workers)]
        yield stack.enter_context(Rival(chief, cores, environment))
