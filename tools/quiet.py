"""Loading TensorFlow without the lines it writes about devices that are not there."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def load_tensorflow() -> None:
    """Imports TensorFlow and lets it look for devices, silently.

    Its C++ parts write to standard error before any log level is read, so the file
    descriptor itself is turned away meanwhile. Python exceptions pass through.
    """
    if "tensorflow" in sys.modules:
        return
    with _silent_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()


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
