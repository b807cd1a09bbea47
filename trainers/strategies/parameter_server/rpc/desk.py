"""Where replicas ask for steps and report them: the chief's part of the service."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from trainers.strategies.parameter_server.rpc.permits import Permit
from trainers.strategies.parameter_server.rpc.permits import Permits
from trainers.strategies.parameter_server.rpc.wire import Method
from trainers.workers import process_lost

# Seconds that a replica waits here for a step before it asks again.
_WAIT = 5.0
# Seconds without a sign of life after which a replica's step is given to others, and
# after which, if there is no other replica, the run ends.
LEASE = 20.0
GONE = 90.0


@dataclass
class Chunk:
    """Steps that replicas may take now."""

    permits: Permits
    order: dict[str, Any]
    """What a replica must know to take one: the session, the stage, the servers."""
    rate: Callable[[int, int], float]
    """Learning rate at a version and the present one."""
    apply: Callable[[int, float], None]
    """Applies the gradient of a step, which the servers have, at a rate."""
    failure: tf.errors.OpError | None = None
    """Why no step can be finished any more."""


class Desk:
    """Gives steps to replicas and counts what they have pushed, one after another.

    It alone decides whether a push counts, so that one that is sent twice, or comes
    from a replica that was thought to be gone, does no harm.
    """

    def __init__(self) -> None:
        """No steps to take yet."""
        self._changed = threading.Condition()
        self._pushing = threading.Lock()
        self._numbers = itertools.count(1)
        self._chunk: Chunk | None = None
        self._over = False
        self._seen: dict[str, float] = {}
        self._since = time.monotonic()

    @property
    def methods(self) -> Mapping[str, Method]:
        """What replicas can ask, by name."""
        return {
            "start": _in_json(self._start),
            "alive": _in_json(self._alive),
            "finish": _in_json(self._finish),
            "leave": _in_json(self._leave),
        }

    def next_number(self) -> int:
        """A number for another step."""
        return next(self._numbers)

    def open(self, chunk: Chunk) -> None:
        """Lets replicas take steps."""
        with self._changed:
            self._chunk = chunk
            self._since = time.monotonic()
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Waits until all steps are done, but not for ever; whether they are.

        Raises:
          tf.errors.OpError: a server was lost.
        """
        with self._changed:
            chunk = self._chunk
            if chunk is None:
                return True
            self._changed.wait_for(
                lambda: chunk.failure or chunk.permits.complete, seconds
            )
            if chunk.failure:
                raise chunk.failure
            return chunk.permits.complete

    def shut(self) -> None:
        """Lets no replica take or finish a step."""
        with self._changed:
            self._chunk = None

    def check_replicas(self) -> None:
        """Takes back the steps of replicas that give no sign of life.

        Raises:
          ProcessLost: there has not been any for too long.
        """
        now = time.monotonic()
        with self._changed:
            for replica in [r for r, t in self._seen.items() if now - t > LEASE]:
                self._forget(replica)
            last = max(self._seen.values(), default=self._since)
        if now - max(last, self._since) > GONE:
            raise process_lost(f"no sign of life of any replica in {GONE:.0f} s")

    def close(self, seconds: float = 3.0) -> None:
        """Tells replicas that the run is over; waits for those that are there."""
        with self._changed:
            self._over, self._chunk = True, None
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._seen, seconds)

    def _start(self, replica: str) -> dict[str, Any]:
        """A step to take; or that there is none yet, or will be none any more."""
        with self._changed:
            self._see(replica)
            permit = self._changed.wait_for(lambda: self._give(replica), _WAIT)
            if self._over:
                self._seen.pop(replica, None)
                self._changed.notify_all()
                return {"over": True}
            if permit is None or self._chunk is None:
                return {}
            self._see(replica)
            step = {k: getattr(permit, k) for k in ("number", "version", "pushed")}
            return {**self._chunk.order, **step}

    def _give(self, replica: str) -> Permit | bool | None:
        if self._over or self._chunk is None or self._chunk.failure:
            return self._over or None
        return self._chunk.permits.give(replica)

    def _alive(self, replica: str) -> dict[str, Any]:
        with self._changed:
            self._see(replica)
        return {}

    def _leave(self, replica: str) -> dict[str, Any]:
        """A replica goes; somebody else gets its step."""
        with self._changed:
            self._forget(replica)
        return {}

    def _finish(
        self, replica: str, session: int, number: int, outcome: dict[str, Any]
    ) -> dict[str, Any]:
        """Applies what a replica has pushed, once; whether that counts."""
        with self._pushing:
            with self._changed:
                self._see(replica)
                chunk = self._chunk
                if chunk is None or chunk.order["session"] != session:
                    return {"counted": False}
                permits = chunk.permits
                if permits.is_done(replica, number):
                    return {"counted": True}
                permit = None if chunk.failure else permits.claim(number)
                if permit is None:
                    return {"counted": False}
                present = permits.version
                # Parameters may have been stale before the step was given.
                version = permit.version - outcome["staleness"]
            rate = chunk.rate(version, present)
            if not outcome["skipped"]:
                self._apply(chunk, number, rate)
            found = {**outcome, "rate": rate, "staleness": present - version}
            with self._changed:
                permits.finish(permit, found)
                self._changed.notify_all()
            return {"counted": True}

    def _apply(self, chunk: Chunk, number: int, rate: float) -> None:
        try:
            chunk.apply(number, rate)
        except tf.errors.OpError as error:
            with self._changed:
                chunk.failure = error
                self._changed.notify_all()
            raise

    def _see(self, replica: str) -> None:
        self._seen[replica] = time.monotonic()

    def _forget(self, replica: str) -> None:
        self._seen.pop(replica, None)
        if self._chunk:
            self._chunk.permits.take_back(replica)
        self._changed.notify_all()


def _in_json(method: Callable[..., dict[str, Any]]) -> Method:
    """The same method for requests and answers that are JSON."""
    return lambda data: json.dumps(method(**json.loads(data))).encode()
