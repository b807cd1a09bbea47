"""Which processes an experiment needs, and what each is told about the others."""

import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfmodels.errors import ConfigError
from trainers.strategies.config import AnyStrategy
from trainers.strategies.config import DataParallelConfig
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.config import PipelineConfig

Arguments = Mapping[str, Sequence[str]]
"""Arguments of `tfmodels` for each `Role.command`."""

# Often enough for accidents, not for ever: a process may end for a reason that stays.
_REVIVED = 3


@dataclass(frozen=True)
class Role:
    """A job of a cluster: processes that do the same."""

    job: str
    count: int
    command: Literal["train", "worker", "replica", "server"] = "worker"
    """What its processes run: `tfmodels train`, or one of `tfmodels launch`."""
    revived: int = 0
    """How often each is started again when it ends before the run does."""

    @property
    def trains(self) -> bool:
        """Whether its processes write the run, or ask to be told when to stop."""
        return self.command == "train"

    @property
    def ends(self) -> bool:
        """Whether its processes end by themselves once a run has come to its end."""
        return self.command in ("train", "replica")


@dataclass(frozen=True)
class Member:
    """One process of a cluster."""

    role: Role
    address: str
    """host:port."""
    tf_config: str
    """What TensorFlow reads from the variable TF_CONFIG: the cluster, and its task."""

    @property
    def name(self) -> str:
        """Job and number, such as ``worker 0``."""
        task = json.loads(self.tf_config)["task"]
        return f"{task['type']} {task['index']}"


def roles(
    strategy: AnyStrategy, num_workers: int | None, num_servers: int | None = None
) -> tuple[Role, ...]:
    """The jobs that a strategy needs; the one that ends the run first.

    Args:
      strategy: of an experiment.
      num_workers: processes of the job "worker"; as many as it needs when absent.
      num_servers: processes of the job "ps"; as many as it needs when absent.

    Raises:
      ConfigError: the strategy needs one process only, or no servers.
    """
    if isinstance(strategy, ParameterServerConfig):
        num_workers = num_workers or strategy.replicas or 2
        num_servers = num_servers or strategy.servers or 1
        alone = strategy.runtime == "rpc"
        return (
            Role("chief", 1, "train"),
            Role("worker", num_workers, "replica" if alone else "worker", _REVIVED),
            Role("ps", num_servers, "server" if alone else "worker", _REVIVED),
        )
    if num_servers:
        raise ConfigError(
            "--parameter-servers: this strategy has none. Expected strategy.kind:"
            f" parameter_server. Received {strategy.kind}."
        )
    if isinstance(strategy, PipelineConfig) and strategy.remote:
        needed = strategy.stages * strategy.replicas
        return Role("chief", 1, "train"), Role("worker", num_workers or needed)
    if isinstance(strategy, DataParallelConfig) and strategy.multi_worker:
        return (Role("worker", num_workers or 2, "train"),)
    raise ConfigError(
        "strategy: this experiment needs one process only. Expected `tfmodels train`"
        " for it, or a strategy of several: --set strategy.remote=true for a pipeline,"
        " --set strategy.multi_worker=true for data_parallel. Received"
        f" {strategy.kind} without it."
    )


def needed_overrides(strategy: AnyStrategy) -> tuple[str, ...]:
    """What those that train must be told because there are several processes."""
    if isinstance(strategy, ParameterServerConfig) and strategy.runtime == "simulated":
        return ("strategy.runtime=coordinator",)
    return ()


def arguments(config: str, workdir: Path, changes: Sequence[str]) -> Arguments:
    """What processes of each kind are told, all about the same run.

    Args:
      config: the experiment.
      workdir: folder of the run, for those that train.
      changes: overrides of the experiment.
    """
    words = [word for change in changes for word in ("--set", change)]
    return {
        "train": ["train", config, "--workdir", str(workdir), *words],
        "worker": ["launch", "worker"],
        "replica": ["launch", "replica", config, *words],
        "server": ["launch", "server"],
    }


def members(jobs: Sequence[Role], addresses: Sequence[str]) -> list[Member]:
    """The processes of a cluster in the order of their jobs.

    Args:
      jobs: their sum is the number of processes.
      addresses: one for each process.
    """
    each = iter(addresses)
    cluster = {role.job: [next(each) for _ in range(role.count)] for role in jobs}
    return [
        Member(
            role,
            address,
            json.dumps({"cluster": cluster, "task": {"type": role.job, "index": i}}),
        )
        for role in jobs
        for i, address in enumerate(cluster[role.job])
    ]
