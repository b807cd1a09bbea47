"""An autonomous replica: a process with its own data, which asks, works and pushes."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from os import PathLike
from typing import Any

import keras
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.configuration import load_experiment
from trainers.devices import read_cluster
from trainers.experiment import Experiment
from trainers.preemption import StopRequest
from trainers.preemption import stop_requests
from trainers.stages import plan_stages
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.replica import Outcome
from trainers.strategies.parameter_server.replica import Succession
from trainers.strategies.parameter_server.rpc.connection import LOST
from trainers.strategies.parameter_server.rpc.connection import Connection
from trainers.strategies.parameter_server.rpc.connection import Order
from trainers.strategies.parameter_server.runtime import Job

# Seconds between two signs of life, and before another step after one that was lost.
_PULSE = 3.0
_PAUSE = 0.5


def join(
    config: str | PathLike[str],
    overrides: Sequence[str] = (),
    chief: str | None = None,
    share: tuple[int, int] = (0, 1),
) -> int:
    """Takes steps of a run until it is over, or this process is told to stop.

    Args:
      config: that of the chief; `data` may be others.
      overrides: changes of it.
      chief: host:port; that of TF_CONFIG, which then says the share too, when absent.
      share: index and count: which of so many equal parts of its data is this
        replica's own.

    Returns:
      Steps that have counted.

    Raises:
      ConfigError: the chief trains something else, or is not known.
      ProcessLost: the chief does not answer any more.
    """
    experiment = load_experiment(config, overrides)
    strategy = experiment.strategy
    if not isinstance(strategy, ParameterServerConfig):
        raise ConfigError(
            "strategy.kind: no replica can join this run. Expected parameter_server"
            f" with runtime: rpc. Received {strategy.kind}."
        )
    if chief is None:
        chief, share = _place()
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    with ExitStack() as stack:
        stop = stack.enter_context(stop_requests())
        connection = Connection(chief, name, stack)
        replica = Replica(experiment, strategy, connection, share)
        stack.callback(connection.leave)
        stack.enter_context(_signs_of_life(connection))
        return replica.run(stop)


class Replica:
    """The steps of one replica.

    Args:
      experiment: the run.
      strategy: its strategy.
      connection: to the chief and the servers.
      share: index and count of its part of the data.
    """

    def __init__(
        self,
        experiment: Experiment,
        strategy: ParameterServerConfig,
        connection: Connection,
        share: tuple[int, int],
    ) -> None:
        """Opens its data and builds the model, whose weights then mean nothing."""
        self._strategy = strategy
        self._run = experiment.run
        self._connection = connection
        self._share = share
        # Random states of the model begin as those of the chief.
        keras.utils.set_random_seed(experiment.run.seed)
        self._stages = {stage.name: stage for stage in plan_stages(experiment)}
        self._model = next(iter(self._stages.values())).task.build_model()
        self._stage = ""
        self._session = 0
        self._step: Any = None
        self._steps: Any = None
        self._batches: Any = None

    def run(self, stop: StopRequest) -> int:
        """Takes steps until there are no more; how many have counted.

        Raises:
          ConfigError: the chief trains something else.
          ProcessLost: the chief does not answer any more.
        """
        counted = 0
        while not (stop.received or self._connection.over):
            order = self._connection.start()
            if order is None:
                continue
            if order.stage != self._stage:
                self._open(order)
            if order.session != self._session:
                self._session = order.session
                self._steps.forget()
            if self._take():
                counted += 1
            else:
                self._steps.forget()
        return counted

    def _take(self) -> bool:
        """Takes a step; whether it counts."""
        try:
            outcome = self._step.finish(self._steps(self._batches))
        except LOST:
            time.sleep(_PAUSE)
            return False
        return self._connection.finish(_in_json(outcome))

    def _open(self, order: Order) -> None:
        """Gets ready for a stage, reading from where the others are."""
        stage = self._stages.get(order.stage)
        job = stage and Job.of(
            self._strategy,
            self._run,
            self._model,
            stage,
            max(each.end for each in self._stages.values()),
        )
        if not job or job.signature != order.job:
            raise ConfigError(
                "the chief trains something else. Expected the same configuration as"
                " there, but for data: model, optimizer, strategy.local_steps,"
                " strategy.pushes_per_fetch, strategy.frame_pool and the stage"
                f" {order.stage!r} decide. Received"
                " one that differs; change CONFIG or --set."
            )
        self._stage = order.stage
        self._step = step = job.step(self._connection)
        most = self._strategy.pushes_per_fetch
        self._steps = Succession(step.start, step.go_on, most)
        self._batches = iter(job.batches(*self._share, order.pushed))


@contextmanager
def _signs_of_life(connection: Connection) -> Iterator[None]:
    """Context in which the chief hears of this process, also while it works long."""
    over = threading.Event()

    def give() -> None:
        while not over.wait(_PULSE):
            connection.alive()

    thread = threading.Thread(target=give, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _place() -> tuple[str, tuple[int, int]]:
    """The chief, and this process's share of the data, from TF_CONFIG.

    Raises:
      ConfigError: TF_CONFIG is missing, or does not name a chief and this worker.
    """
    cluster, task = read_cluster("tfmodels launch replica")
    if task["type"] != "worker" or not cluster.get("chief"):
        raise ConfigError(
            "TF_CONFIG: a replica is a task of the type 'worker', and a 'chief' gives"
            f" it steps. Expected both; received the task type {task['type']!r} and"
            f" the jobs {', '.join(cluster)}. Or give --chief HOST:PORT."
        )
    return cluster["chief"][0], (task["index"], len(cluster["worker"]))


def _in_json(outcome: Outcome) -> dict[str, Any]:
    """What a replica alone knows of its step, in numbers that JSON can hold."""
    names = ("totals", "norm", "staleness", "skipped")
    kept = {name: outcome[name] for name in names}
    plain: dict[str, Any] = tf.nest.map_structure(lambda t: t.numpy().item(), kept)
    return plain
