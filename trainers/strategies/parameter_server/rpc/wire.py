"""How processes talk: gRPC with plain bytes; a fixed header and numbers, or JSON."""

import struct
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent import futures
from contextlib import ExitStack
from contextlib import contextmanager
from typing import Any
from typing import NamedTuple

import grpc
import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.workers import CHANNEL_OPTIONS

_SERVICE = "tfmodels.ParameterServer"
# No bound on the size of a message: it is the parameters of one server.
_LENGTHS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
# A second process on the same port must fail, not share it.
_SERVING = (*_LENGTHS, ("grpc.so_reuseport", 0))
# Each replica that waits for a step has one; threads are made when they are needed.
_THREADS = 256
_HEADER = struct.Struct("<QQd")

Method = Callable[[bytes], bytes]
"""Answers a request; raises errors of TensorFlow, which the caller then raises."""


class Frame(NamedTuple):
    """What is said about parameters."""

    session: int
    """Whose parameters: a stage, until a server is lost; other ones are refused."""
    number: int = 0
    """Of a step, or of pushes that the parameters hold."""
    rate: float = 0.0
    """Learning rate of a push."""
    vector: np.ndarray = np.empty(0, np.float32)
    """float32 [n]."""

    def pack(self) -> bytes:
        """As bytes: 24 of them, and 4 for each number of the vector."""
        header = _HEADER.pack(self.session, self.number, self.rate)
        return header + np.asarray(self.vector, "<f4").tobytes()

    @classmethod
    def unpack(cls, data: bytes) -> "Frame":
        """From bytes."""
        session, number, rate = _HEADER.unpack_from(data)
        vector = np.frombuffer(data, "<f4", offset=_HEADER.size)
        return cls(session, number, rate, vector)


class Peer:
    """Another process that answers.

    Args:
      address: host:port.
      stack: closes the connection.
    """

    def __init__(self, address: str, stack: ExitStack) -> None:
        self.address = address
        channel = grpc.insecure_channel(address, (*CHANNEL_OPTIONS, *_LENGTHS))
        self._channel = stack.enter_context(channel)
        self._methods: dict[str, Any] = {}

    def send(
        self, method: str, data: bytes, seconds: float, patient: bool = False
    ) -> Callable[[], bytes]:
        """Sends a request; the function that is returned waits for its answer.

        If `patient`, a connection that is broken is given the time to be mended.

        That function raises `tf.errors.AbortedError` if the request is refused, and
        `tf.errors.UnavailableError` if there is no answer in time.
        """
        if method not in self._methods:
            path = method_path(method)
            self._methods[method] = self._channel.unary_unary(path)
        call = self._methods[method].future(
            data, timeout=seconds, wait_for_ready=patient
        )

        def answer() -> bytes:
            try:
                received: bytes = call.result()
            except grpc.FutureCancelledError:  # this process lets go of the other
                raise tf.errors.UnavailableError(None, None, self.address) from None
            except grpc.RpcError as error:
                text = f"{self.address}: {error.details()}"
                if error.code() == grpc.StatusCode.ABORTED:
                    raise tf.errors.AbortedError(None, None, text) from None
                raise tf.errors.UnavailableError(None, None, text) from None
            return received

        return answer

    def ask(self, method: str, data: bytes, seconds: float) -> bytes:
        """Sends a request and waits for its answer; see `send`."""
        return self.send(method, data, seconds)()


@contextmanager
def serving(address: str, methods: Mapping[str, Method]) -> Iterator[None]:
    """Context in which methods are offered at host:port, in threads of their own.

    Raises:
      ConfigError: the port cannot be had.
    """
    executor = futures.ThreadPoolExecutor(_THREADS)
    server = grpc.server(executor, options=_SERVING)
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(_answering(method))
        for name, method in methods.items()
    }
    service = grpc.method_handlers_generic_handler(_SERVICE, handlers)
    server.add_generic_rpc_handlers((service,))
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigError(
            f"TF_CONFIG: cannot serve at {address}. Expected a port of this machine"
            f" that nobody else uses; received: {error}."
        ) from None
    server.start()
    try:
        yield
    finally:
        server.stop(grace=1.0).wait()
        executor.shutdown()


def method_path(method: str) -> str:
    """The name of a method in the network."""
    return f"/{_SERVICE}/{method}"


def _answering(method: Method) -> Callable[[bytes, Any], bytes]:
    def answer(request: bytes, context: Any) -> bytes:
        try:
            return method(request)
        except tf.errors.AbortedError as error:
            code, text = grpc.StatusCode.ABORTED, error.message
        except tf.errors.UnavailableError as error:
            code, text = grpc.StatusCode.UNAVAILABLE, error.message
        context.abort(code, text)
        raise AssertionError  # abort does not return

    return answer
