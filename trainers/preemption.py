"""Requests to stop: a signal becomes a flag that the loop asks for between chunks."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether the process has been asked to stop."""

    def __init__(self) -> None:
        """No request yet."""
        self.received = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turns SIGTERM into a request while the context lasts.

    Must be entered in the process's main thread.
    """
    request = StopRequest()
    before = signal.signal(signal.SIGTERM, request._receive)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
