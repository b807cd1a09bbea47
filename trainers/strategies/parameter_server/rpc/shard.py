"""The process of a server: one shard of the parameters, and what is done to it."""

import json
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.devices import read_cluster
from trainers.strategies.parameter_server.rpc.wire import Frame
from trainers.strategies.parameter_server.rpc.wire import Method
from trainers.strategies.parameter_server.rpc.wire import serving
from trainers.strategies.parameter_server.store import VALUE
from trainers.strategies.parameter_server.store import ParameterStore
from trainers.strategies.parameter_server.updates import Upkeep

# GPUs are for replicas.
_DEVICE = "/device:CPU:0"


class ShardServer:
    """Answers requests about a shard.

    A push comes in two parts: replicas leave their gradient here (`stage`), and the
    chief, who counts, says when and at what rate it is applied (`apply`). So a push is
    in all shards or in none, however many replicas end in the middle of one.
    """

    def __init__(self) -> None:
        """Holds nothing before `open`."""
        self._lock = threading.Lock()
        self._session = 0
        self._store: ParameterStore | None = None
        self._push: Any = None
        self._staged: dict[int, np.ndarray] = {}

    @property
    def methods(self) -> Mapping[str, Method]:
        """What can be asked, by name."""
        return {
            "status": self._status,
            "open": self._open,
            "load": self._load,
            "begin": self._begin,
            "read": self._read,
            "fetch": self._fetch,
            "stage": self._stage,
            "apply": self._apply,
        }

    def _status(self, data: bytes) -> bytes:
        """Says that this process lives; given a session, that it still holds it."""
        if data:
            self._held(Frame.unpack(data))
        return b""

    def _open(self, data: bytes) -> bytes:
        """Makes room for the shard of another session."""
        asked = json.loads(data)
        upkeep = Upkeep.parse(asked["upkeep"])
        with self._lock:
            self._store = store = ParameterStore(
                asked["size"],
                [_DEVICE],
                upkeep.update,
                upkeep.fraction,
                asked["with_gradient"],
            )
            self._push = tf.function(store.push, autograph=False)
            self._session = asked["session"]
            self._staged = {}
        return b""

    def _load(self, data: bytes) -> bytes:
        """Takes all values: the vectors of the store's shards one after another."""
        frame = Frame.unpack(data)
        store = self._held(frame)
        parts = np.split(frame.vector, len(store.shards))
        vectors = {
            name: tf.constant(part)
            for name, part in zip(store.shards, parts, strict=True)
        }
        store.load(vectors, frame.number)
        return b""

    def _begin(self, data: bytes) -> bytes:
        """Forgets gradients of steps that were never finished."""
        with self._lock:
            self._held(Frame.unpack(data))
            self._staged = {}
        return b""

    def _read(self, data: bytes) -> bytes:
        """All values, as `_load` takes them, and the number of pushes they hold."""
        frame = Frame.unpack(data)
        store = self._held(frame)
        vector = np.concatenate([each.numpy() for each in store.read().values()])
        return Frame(frame.session, int(store.present()), 0.0, vector).pack()

    def _fetch(self, data: bytes) -> bytes:
        """The parameters alone."""
        frame = Frame.unpack(data)
        (shard,) = self._held(frame).shards[VALUE]
        return Frame(frame.session, vector=shard.numpy()).pack()

    def _stage(self, data: bytes) -> bytes:
        """Keeps the gradient of a step until it is applied; again is no harm."""
        frame = Frame.unpack(data)
        with self._lock:
            (shard,) = self._held(frame).shards[VALUE]
            if frame.vector.shape != shard.shape:
                raise _refused(f"{frame.vector.size} numbers for {shard.shape[0]}")
            self._staged[frame.number] = frame.vector
        return b""

    def _apply(self, data: bytes) -> bytes:
        """Updates the shard by the gradient of a step."""
        frame = Frame.unpack(data)
        with self._lock:
            self._held(frame)
            gradient = self._staged.pop(frame.number, None)
            if gradient is None:
                raise _refused(f"step {frame.number} has no gradient here")
            self._push(tf.constant(gradient), tf.constant(frame.rate, tf.float32))
        return b""

    def _held(self, frame: Frame) -> ParameterStore:
        if self._store is None or frame.session != self._session:
            raise _refused("this server does not hold these parameters any more")
        return self._store


def serve() -> None:
    """Holds a shard as the task that TF_CONFIG says, until the process is stopped.

    Raises:
      ConfigError: TF_CONFIG is missing, or its port cannot be had.
    """
    cluster, task = read_cluster("tfmodels launch server")
    with serving(cluster[task["type"]][task["index"]], ShardServer().methods):
        threading.Event().wait()


def _refused(text: str) -> tf.errors.AbortedError:
    return tf.errors.AbortedError(None, None, text)
