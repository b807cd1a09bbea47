"""The worker processes of a cluster: whether they answer, and what if they do not."""

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager

import grpc
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.errors import ProcessLost
from trainers.devices import read_cluster
from trainers.files import describe

# Seconds. Processes that are started together import TensorFlow first; all that one can
# lose later must be noticed within a minute.
_START = 40.0
_PAUSE = 5.0
_ANSWER = 8.0
_MISSES = 3
# Of the service that every TensorFlow server offers; its empty request has no bytes.
_METHOD = "/tensorflow.WorkerService/GetStatus"
# A channel otherwise tries again only after minutes, and asks a proxy for this machine.
CHANNEL_OPTIONS = (
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)
"""Of every connection between processes of a job."""


def process_lost(received: str) -> ProcessLost:
    """The error that another process of the job is gone; `received` says who or how."""
    return ProcessLost(
        "Another process of this job cannot be reached any more. Expected all that"
        f" TF_CONFIG names to run to the end; received: {received}. Start all of them"
        " again with the same command: the run goes on from its last checkpoint."
    )


class Workers:
    """Processes that are asked for signs of life.

    Args:
      addresses: host:port of each.
      stack: closes the connections.
      command: what runs there.
      method: that it answers when nothing is asked; that of TensorFlow's servers when
        absent.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        stack: ExitStack,
        command: str = "tfmodels launch worker",
        method: str = _METHOD,
    ) -> None:
        self.command = command
        self._ask = {}
        for address in addresses:
            channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
            self._ask[address] = stack.enter_context(channel).unary_unary(method)

    def silent(self, seconds: float) -> list[str]:
        """Addresses of those that do not answer within a time."""
        calls = {
            address: ask.future(b"", timeout=seconds, wait_for_ready=True)
            for address, ask in self._ask.items()
        }
        return [address for address, call in calls.items() if call.exception()]


def serve() -> None:
    """Waits for work as the task that TF_CONFIG says, until the process is stopped.

    Raises:
      ConfigError: TF_CONFIG is missing, or its port cannot be had.
    """
    cluster, task = read_cluster("tfmodels launch worker")
    job, index = task["type"], task["index"]
    # Steps of others run here: their operations must be known to this process.
    importlib.import_module("tensorflow_text")
    # Or a peer that has ended is waited for, not reported.
    os.environ.setdefault("GRPC_FAIL_FAST", "use_caller")
    try:
        server = tf.distribute.Server(
            tf.train.ClusterSpec(cluster), job_name=job, task_index=index
        )
    except tf.errors.OpError as error:
        raise ConfigError(
            f"TF_CONFIG: cannot serve at {cluster[job][index]}. Expected a port of this"
            f" machine that nobody else uses; received: {describe(error)}."
        ) from None
    server.join()


@contextmanager
def watching(needed: Sequence[str], any_of: Sequence[str] = ()) -> Iterator[None]:
    """Context in which the other processes answer; before, waits until all of them do.

    One that falls silent inside ends this process with a message: TensorFlow waits for
    it without end, in C++, where no exception reaches. It raises errors itself only if
    the system of the worker is there to say that the worker is not.

    Args:
      needed: host:port of each without which nothing goes on.
      any_of: host:port of those of whom one suffices.

    Raises:
      ProcessLost: one has not answered once.
    """
    with ExitStack() as stack:
        workers = Workers([*needed, *any_of], stack)
        await_all(workers)
        over = threading.Event()
        groups = [*((address,) for address in needed), tuple(any_of)]
        thread = threading.Thread(
            target=_watch, args=(workers, groups, over), daemon=True
        )
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        yield


def await_all(workers: Workers) -> None:
    """Waits until all processes answer.

    Raises:
      ProcessLost: one does not.
    """
    if silent := workers.silent(_START):
        raise ProcessLost(
            f"Other processes do not answer. Expected `{workers.command}` to run at"
            " their addresses in TF_CONFIG; received nothing in"
            f" {_START:.0f} s from {', '.join(silent)}. Start them first, or"
            " see why they ended, then run the same command again."
        )


def _watch(
    workers: Workers, groups: Sequence[tuple[str, ...]], over: threading.Event
) -> None:
    """Ends this process when all of a group have been silent for too long."""
    missed: dict[str, int] = {}
    while not over.wait(_PAUSE):
        missed = {each: missed.get(each, 0) + 1 for each in workers.silent(_ANSWER)}
        lost = [
            address
            for group in groups
            if group and all(missed.get(each, 0) >= _MISSES for each in group)
            for address in group
        ]
        if lost and not over.is_set():
            error = process_lost(f"no answer from {', '.join(lost)}")
            print(error, file=sys.stderr, flush=True)
            os._exit(error.exit_code)
