"""Replicas and servers that are processes, directed by this one."""

import gc
import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from functools import partial
from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops.iterator_ops import IteratorSpec
from tensorflow.python.distribute.coordinator.values import PerWorkerValues

from trainers.devices import read_cluster
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.replica import Outcome
from trainers.strategies.parameter_server.runtime import Job
from trainers.strategies.parameter_server.runtime import Traffic
from trainers.strategies.parameter_server.runtime import check_cluster
from trainers.workers import Workers
from trainers.workers import await_all
from trainers.workers import watching

LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)
"""What TensorFlow raises when a server has ended."""

# Steps handed out and not done, for each replica: one to do, others to go on with.
_IN_FLIGHT = 4
# Seconds, at the end, for a worker that has been lost to be there again.
_PATIENCE = 30.0
_PAUSE = 0.1


class Cluster:
    """The processes that TF_CONFIG names: workers, each a replica, and servers.

    Connects when it is made, since variables of before would be lost.
    """

    def __init__(self, config: ParameterServerConfig, connections: ExitStack) -> None:
        """Waits until all processes answer; watches them until `connections` close.

        Raises:
          ConfigError: TF_CONFIG is missing, or contradicts the configuration.
          ProcessLost: a process does not answer.
        """
        cluster, task = read_cluster("strategy.runtime: coordinator")
        check_cluster(cluster, task, config, ("worker",))
        workers, servers = cluster["worker"], cluster["ps"]
        connections.enter_context(watching(servers, workers))
        connections.enter_context(_quiet())
        connections.callback(self._settle)
        self._processes = Workers([*servers, *workers], connections)
        self.num_replicas = len(workers)
        self.devices = [
            f"/job:ps/replica:0/task:{i}/device:CPU:0" for i in range(len(servers))
        ]
        """Where the shards are."""
        self._fresh: Any = self._connect()

    def _connect(self) -> Any:
        os.environ.setdefault("GRPC_FAIL_FAST", "use_caller")
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver(
            rpc_layer="grpc"
        )
        strategy = tf.distribute.ParameterServerStrategy(resolver)
        coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
        self._failures = coordinator._cluster.failure_handler
        return coordinator

    def _settle(self) -> None:
        """Waits, not for long, for a worker that was lost and is not back yet.

        TensorFlow's thread that waits for it in C++ aborts a process that ends.
        """
        deadline = time.monotonic() + _PATIENCE
        lost = self._failures._cluster_due_for_update_or_finish
        while self._failures._should_preemption_thread_run and lost.is_set():
            if time.monotonic() > deadline:
                return
            time.sleep(_PAUSE)

    def open(self, job: Job) -> "Coordinator":
        """Servers and replicas for a stage, or for the same one after a loss.

        A connection that has lost a server never works again, even if the server does.

        Raises:
          ProcessLost: a process does not answer.
        """
        coordinator, self._fresh = self._fresh, None
        if coordinator is None:
            await_all(self._processes)
            gc.collect()  # ends the threads of the last coordinator
            coordinator = self._connect()
        return Coordinator(job, self, coordinator)


class Coordinator:
    """Hands out steps to replicas as they become free."""

    def __init__(self, job: Job, cluster: Cluster, coordinator: Any) -> None:
        """Creates the store; replicas open their data with the first `run`."""
        self._job = job
        self._coordinator = coordinator
        self._count = cluster.num_replicas
        self.store = job.store(cluster.devices)
        self._replica_step = job.step(self.store)
        self._steps: dict[int, Any] = {}
        self._outcome: Outcome = {}
        self._traffic = Traffic(_IN_FLIGHT * self._count, job.config)
        self._iterators: PerWorkerValues | None = None
        self._pushed = job.first

    def run(self, num_steps: int) -> list[Outcome]:
        """See `Runtime.run`.

        What a worker that ends has begun is done again by another, from its fetch on;
        what it had pushed before it ended is there twice.
        """
        if self._iterators is None:
            self._iterators = self._open_data()
        outcomes: list[Outcome] = []
        waiting: deque[tuple[int, Any]] = deque()
        most = self._job.config.pushes_per_fetch
        for done in range(0, num_steps, most):
            while not self._traffic.may_start(self._pushed, [n for n, _ in waiting]):
                outcomes += self._wait(waiting.popleft()[1])
            steps = self._function(min(most, num_steps - done))
            result = self._coordinator.schedule(steps, args=(self._iterators,))
            waiting.append((self._pushed, result))
        for _, result in waiting:
            outcomes += self._wait(result)
        self._coordinator.join()
        return outcomes

    def measures(self) -> dict[str, float]:
        """None of its own."""
        return {}

    def _function(self, pushes: int) -> Any:
        """What is handed out: a fetch and so many steps; the chunk's last are fewer."""
        if pushes not in self._steps:
            steps = partial(self._scalars, pushes)
            self._steps[pushes] = tf.function(steps, autograph=False)
        return self._steps[pushes]

    def _scalars(self, pushes: int, iterator: Any) -> tf.Tensor:
        """Outcomes as a matrix, a row for each: tensors are fetched one by one."""
        outcomes = self._replica_step(iterator, pushes)
        self._outcome = outcomes[0]
        rows = [tf.nest.flatten(outcome) for outcome in outcomes]
        return tf.stack([[tf.cast(each, tf.float64) for each in row] for row in rows])

    def _wait(self, result: Any) -> list[Outcome]:
        try:
            scalars = result.fetch()
        except tf.errors.CancelledError:
            self._coordinator.join()  # raises what it was cancelled for
            raise
        self._pushed += len(scalars)
        return [tf.nest.pack_sequence_as(self._outcome, list(row)) for row in scalars]

    def _open_data(self) -> PerWorkerValues:
        """An iterator on every worker, made again when a worker returns.

        TensorFlow's own per-worker data sets do not tell a worker which it is.
        """
        batches = self._job.batches(0, self._count, self._job.first)
        iterators = []
        for index, worker in enumerate(self._coordinator._cluster.workers):
            iterator = worker.create_resource(partial(self._open_share, index))
            iterator._type_spec = IteratorSpec(batches.element_spec)
            iterators.append(iterator)
        return PerWorkerValues(tuple(iterators))

    def _open_share(self, index: int) -> Any:
        """Called where the default device is the worker's, in its own thread."""

        @tf.function(autograph=False)
        def batches() -> tf.data.Dataset:
            return self._job.batches(index, self._count, self._pushed)

        return iter(batches())


@contextmanager
def _quiet() -> Iterator[None]:
    """TensorFlow writes pages about a worker that ends, which is nothing special."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
