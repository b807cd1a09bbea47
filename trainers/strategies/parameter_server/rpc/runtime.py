"""The chief's side of autonomous replicas: servers filled, steps offered, all read."""

import json
import secrets
import sys
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import tensorflow as tf

from trainers.devices import read_cluster
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.flat import cut
from trainers.strategies.parameter_server.replica import Outcome
from trainers.strategies.parameter_server.replica import Rates
from trainers.strategies.parameter_server.rpc.desk import Chunk
from trainers.strategies.parameter_server.rpc.desk import Desk
from trainers.strategies.parameter_server.rpc.permits import Permits
from trainers.strategies.parameter_server.rpc.wire import Frame
from trainers.strategies.parameter_server.rpc.wire import Peer
from trainers.strategies.parameter_server.rpc.wire import method_path
from trainers.strategies.parameter_server.rpc.wire import serving
from trainers.strategies.parameter_server.runtime import Job
from trainers.strategies.parameter_server.runtime import Traffic
from trainers.strategies.parameter_server.runtime import check_cluster
from trainers.strategies.parameter_server.store import contents
from trainers.workers import Workers
from trainers.workers import await_all

# Seconds for an answer that carries a shard, and for one that a living server gives.
_LONG = 60.0
_ANSWER = 20.0
# Seconds between looks at servers and replicas while these work.
_PAUSE = 2.0


class RemoteStore:
    """The parameters on servers that are processes, each with a shard.

    Args:
      job: the stage.
      servers: in the order of their shards.
    """

    def __init__(self, job: Job, servers: Sequence[Peer]) -> None:
        """Makes room on the servers; whoever spoke of other parameters is refused."""
        self.session = secrets.randbits(63)
        self._servers = servers
        self._parts = cut(job.flat.size, len(servers))
        self._names = list(contents(job.upkeep.update, job.upkeep.fraction))
        self._version = 0
        upkeep = job.upkeep.plain()
        texts = [
            {
                "session": self.session,
                "size": part.stop - part.start,
                "with_gradient": job.flat.with_gradient - part.start,
                "upkeep": upkeep,
            }
            for part in self._parts
        ]
        self._ask("open", [json.dumps(text).encode() for text in texts])

    def load(self, vectors: Mapping[str, tf.Tensor], version: int) -> None:
        """See `ParameterStore.load`; all vectors are given."""
        whole = [np.asarray(vectors[name]) for name in self._names]
        parts = [np.concatenate([each[part] for each in whole]) for part in self._parts]
        frames = [Frame(self.session, version, 0.0, part) for part in parts]
        self._ask("load", [frame.pack() for frame in frames])
        self._version = version

    def read(self) -> dict[str, tf.Tensor]:
        """See `ParameterStore.read`.

        Raises:
          tf.errors.AbortedError: a server holds another number of pushes than these.
        """
        answers = self._ask("read", self._plain())
        frames = [Frame.unpack(answer) for answer in answers]
        held = {frame.number for frame in frames}
        if held != {self._version}:
            text = f"servers hold {sorted(held)} pushes in place of {self._version}"
            raise tf.errors.AbortedError(None, None, text)
        parts = [np.split(frame.vector, len(self._names)) for frame in frames]
        return {
            name: tf.concat([part[i] for part in parts], 0)
            for i, name in enumerate(self._names)
        }

    def present(self) -> tf.Tensor:
        """Pushes that the parameters hold now, int64 []."""
        return tf.constant(self._version, tf.int64)

    def begin(self) -> None:
        """Lets servers forget what was never finished."""
        self._ask("begin", self._plain())

    def apply(self, number: int, rate: float) -> None:
        """Applies the gradient of a step, which all servers have, at a rate."""
        frame = Frame(self.session, number, rate).pack()
        self._ask("apply", [frame] * len(self._servers))
        self._version += 1

    def check(self) -> None:
        """Raises what `Peer` does if a server is gone or has been started again."""
        self._ask("status", self._plain(), _ANSWER)

    def _plain(self) -> list[bytes]:
        return [Frame(self.session).pack()] * len(self._servers)

    def _ask(
        self, method: str, data: Sequence[bytes], seconds: float = _LONG
    ) -> list[bytes]:
        """Asks all servers at once; those that return may do so for the first time."""
        calls = [
            server.send(method, each, seconds, patient=method == "open")
            for server, each in zip(self._servers, data, strict=True)
        ]
        return [call() for call in calls]


class Autonomous:
    """A stage of training by replicas that ask for steps when they like."""

    def __init__(self, job: Job, desk: Desk, servers: Sequence[Peer]) -> None:
        """Makes room on the servers."""
        self.store = RemoteStore(job, servers)
        self._job = job
        self._desk = desk
        self._rates = Rates(job.stage, job.config)
        # A replica has one step at a time: their number is the only width.
        self._traffic = Traffic(sys.maxsize, job.config)
        self._pushed = job.first
        self._replicas = 0
        self._order = {
            "session": self.store.session,
            "stage": job.stage.name,
            "job": job.signature,
            "servers": [server.address for server in servers],
        }

    def run(self, num_steps: int) -> list[Outcome]:
        """See `Runtime.run`; replicas may come and go meanwhile.

        Raises:
          ProcessLost: no replica gives a sign of life any more.
        """
        self.store.begin()
        permits = Permits(
            self._traffic,
            num_steps,
            int(self.store.present()),
            self._pushed,
            self._desk.next_number,
        )
        self._desk.open(Chunk(permits, self._order, self._rate, self.store.apply))
        try:
            while not self._desk.wait(_PAUSE):
                self.store.check()
                self._desk.check_replicas()
        finally:
            self._desk.shut()
        self._pushed = permits.pushed
        self._replicas = len(permits.replicas)
        return permits.outcomes

    def measures(self) -> dict[str, float]:
        """How many replicas have pushed."""
        return {"parameter_server/replicas": float(self._replicas)}

    def _rate(self, version: int, present: int) -> float:
        numbers = (tf.constant(number, tf.int64) for number in (version, present))
        return float(self._rates(*numbers))


def open_service(
    config: ParameterServerConfig, connections: ExitStack
) -> Callable[[Job], Autonomous]:
    """Serves replicas at this process's address and connects to the servers.

    Args:
      config: of the strategy.
      connections: end with it: replicas are told that the run is over.

    Raises:
      ConfigError: TF_CONFIG is missing, contradicts the configuration, or names a port
        that cannot be had.
      ProcessLost: a server does not answer.
    """
    cluster, task = read_cluster("strategy.runtime: rpc")
    check_cluster(cluster, task, config)
    desk = Desk()
    connections.enter_context(serving(cluster["chief"][task["index"]], desk.methods))
    connections.callback(desk.close)
    # Closed first, which ends what still waits for a server.
    peers = [Peer(address, connections) for address in cluster["ps"]]
    processes = Workers(
        cluster["ps"], connections, "tfmodels launch server", method_path("status")
    )
    await_all(processes)

    def open_stage(job: Job) -> Autonomous:
        await_all(processes)
        return Autonomous(job, desk, peers)

    return open_stage
