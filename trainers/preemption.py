"""Requests to stop: a signal becomes a flag that the loop asks for between chunks."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopRequest:
    """Whether the process has been asked to stop."""

    def __init__(self) -> None:
        """No request yet."""
        self.received = False

    def listen(self) -> Any:
        """Takes SIGTERM from whoever has it; returns who that was.

        TensorFlow takes it when the process joins a cluster: call this again then.
        """
        return signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turns SIGTERM into a request while the context lasts.

    Must be entered in the process's main thread.
    """
    request = StopRequest()
    before = request.listen()
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
