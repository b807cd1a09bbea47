"""Loading TensorFlow: silently, without what is not used, keeping its memory."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Keras loads them where they are installed, which takes long, for parts of its own that
# nothing here uses.
_NOT_NEEDED = ("sklearn", "matplotlib")
# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def load_tensorflow() -> None:
    """Imports TensorFlow, lets it look for devices, silently, and leaves a thread.

    Its C++ parts write to standard error before any log level is read, so the file
    descriptor itself is turned away meanwhile. Python exceptions pass through.
    """
    if "tensorflow" in sys.modules:
        return
    _keep_freed_memory()
    with _silent_stderr(), _as_if_absent():
        import tensorflow as tf

        tf.config.list_physical_devices()
    from trainers.devices import leave_a_thread

    leave_a_thread()


def _keep_freed_memory() -> None:
    """Has freed memory kept for what is asked next, where the C library is glibc.

    Otherwise it goes back to the system between any two operations and comes again as
    empty pages: with tensors of some hundred kilobytes a quarter of a training step.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, 1 << 30)
        set_option(_TRIM_THRESHOLD, (1 << 31) - 1)
        set_option(_TOP_PAD, 1 << 26)


@contextmanager
def _as_if_absent() -> Iterator[None]:
    hidden = [name for name in _NOT_NEEDED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _silent_stderr() -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(nowhere)
        os.close(saved)
