"""A replica's way to the chief, who gives steps, and to the servers' parameters."""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.strategies.parameter_server.flat import cut
from trainers.strategies.parameter_server.rpc.wire import Frame
from trainers.strategies.parameter_server.rpc.wire import Peer
from trainers.workers import process_lost

# Seconds for an answer that carries a shard or waits for a step, and for a plain one.
_LONG = 120.0
_SHORT = 20.0
# Seconds between two tries to reach the chief, and after which there are no more.
_PAUSE = 0.5
_PATIENCE = 120.0

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError)
"""What is raised when a server has ended, or holds other parameters by now."""


@dataclass(frozen=True)
class Order:
    """A step that this replica is to take."""

    session: int
    stage: str
    job: str
    """`Job.signature` of the chief."""
    servers: tuple[str, ...]
    number: int
    """Of the step."""
    version: int
    """Pushes that the parameters hold at least."""
    pushed: int
    """Steps of the stage that are done, by all replicas."""


class Connection:
    """Steps from the chief, and their parameters: `Parameters` of a replica's step.

    Args:
      chief: host:port.
      name: of the replica; no two have the same.
      stack: closes the connections.
    """

    def __init__(self, chief: str, name: str, stack: ExitStack) -> None:
        self._chief = Peer(chief, stack)
        self._name = name
        self._stack = stack
        self._peers: dict[str, Peer] = {}
        self._order: Order | None = None
        self.over = False
        """Whether the chief has said that there will be no more steps."""

    @property
    def order(self) -> Order:
        """The step that is under way."""
        if self._order is None:
            raise RuntimeError("no step is under way")
        return self._order

    def start(self) -> Order | None:
        """Waits some seconds for a step to take; None if there is none.

        Raises:
          ProcessLost: the chief does not answer any more.
        """
        answer = self._ask("start", _LONG)
        self.over = bool(answer.pop("over", False))
        if not answer:
            return None
        self._order = Order(servers=tuple(answer.pop("servers")), **answer)
        return self._order

    def present(self) -> tf.Tensor:
        """Pushes that the parameters held when the step was given, int64 []."""
        return tf.constant(self.order.version, tf.int64)

    def fetch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Their number, int64 [], and the parameters with at least these, [N].

        Raises:
          tf.errors.OpError: one of `LOST`.
        """
        frame = Frame(self.order.session).pack()
        calls = [each.send("fetch", frame, _LONG) for each in self._servers()]
        vectors = [Frame.unpack(call()).vector for call in calls]
        return self.present(), tf.constant(np.concatenate(vectors))

    def push(self, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Leaves a gradient, float32 [N], with the servers until `finish`.

        The chief decides about the rate.

        Raises:
          tf.errors.OpError: one of `LOST`.
        """
        servers, vector = self._servers(), gradient.numpy()
        frames = [
            Frame(self.order.session, self.order.number, vector=vector[part]).pack()
            for part in cut(vector.size, len(servers))
        ]
        calls = [
            server.send("stage", frame, _LONG)
            for server, frame in zip(servers, frames, strict=True)
        ]
        for call in calls:
            call()

    def finish(self, outcome: dict[str, Any]) -> bool:
        """Reports a step whose gradient is with the servers; whether it counts.

        Args:
          outcome: numbers that JSON can hold.

        Raises:
          ProcessLost: the chief does not answer any more.
        """
        order = self.order
        step = {"session": order.session, "number": order.number, "outcome": outcome}
        return bool(self._ask("finish", _LONG, **step)["counted"])

    def alive(self) -> None:
        """Gives a sign of life; if nobody hears it, another one will be."""
        self._once("alive", _SHORT)

    def leave(self) -> None:
        """Says that this replica goes."""
        self._once("leave", _SHORT)

    def _servers(self) -> list[Peer]:
        for address in self.order.servers:
            if address not in self._peers:
                self._peers[address] = Peer(address, self._stack)
        return [self._peers[address] for address in self.order.servers]

    def _ask(self, method: str, seconds: float, **request: Any) -> dict[str, Any]:
        """Asks the chief, again and again while the connection is broken."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = self._once(method, seconds, **request)
            if answer is not None:
                return answer
            if time.monotonic() > deadline:
                raise process_lost(f"no answer from the chief at {self._chief.address}")
            time.sleep(_PAUSE)

    def _once(
        self, method: str, seconds: float, **request: Any
    ) -> dict[str, Any] | None:
        data = json.dumps({"replica": self._name, **request}).encode()
        try:
            answer: dict[str, Any] = json.loads(self._chief.ask(method, data, seconds))
        except LOST:
            return None
        return answer
