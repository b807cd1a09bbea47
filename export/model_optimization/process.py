"""Runs the worker: what it needs to start, its training data, its end."""

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

from tfmodels.errors import DataError
from tfmodels.errors import ProcessLost

_LIBRARIES = ("tf_keras", "tensorflow_model_optimization")
_WORKER = "export.model_optimization.worker"
_ROOT = Path(__file__).resolve().parents[2]


def check_installed() -> None:
    """Looks for the libraries without importing them.

    Raises:
      DataError: one is missing.
    """
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise DataError(
            "tensorflow-model-optimization is not installed. Expected the extra"
            " optimization: pip install 'tfmodels[optimization]'. Received no module"
            f" {', '.join(missing)}."
        )


def work(
    folder: Path,
    batches: Iterable[Sequence[np.ndarray]],
    show: Callable[[str], None],
    time_limit: float | None = None,
) -> None:
    """Runs a worker to its end; it ends with this process, whatever ends that.

    Args:
      folder: what `worker` reads, and where it writes.
      batches: what it trains on, each as many arrays as it reads of a batch.
      show: gets each line that it prints.
      time_limit: seconds that it may take.

    Raises:
      ProcessLost: it failed, or took too long.
    """
    errors = folder / "errors.txt"
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (
        errors.open("wb") as log,
        ThreadPoolExecutor(1) as threads,
        subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "TF_USE_LEGACY_KERAS": "1",
            },
        ) as process,
    ):
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a process was started without its pipes")
        expired = threading.Event()
        timer = threading.Timer(
            time_limit or threading.TIMEOUT_MAX, _end, (process, expired)
        )
        timer.daemon = True
        timer.start()
        try:
            sent = threads.submit(_send, process.stdin, batches)
            for line in process.stdout:
                show(line.decode(errors="replace").rstrip())
            process.wait()
            # What is wrong with the data comes first: the worker only missed them.
            sent.result()
        finally:
            timer.cancel()
            process.kill()
    if process.returncode:
        said = errors.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), "nothing")
        received = (
            f"none within {time_limit:g} s (--time-limit)"
            if expired.is_set()
            else f"the exit code {process.returncode} and: {last.strip()[-500:]}"
        )
        raise ProcessLost(
            "tensorflow-model-optimization did not come to an end. Expected a smaller"
            f" model. Received {received}. Nothing was written."
        )


def _end(process: subprocess.Popen[bytes], expired: threading.Event) -> None:
    expired.set()
    process.kill()


def _send(stream: IO[bytes], batches: Iterable[Sequence[np.ndarray]]) -> None:
    """Writes arrays until the process no longer reads; then it has the say."""
    with suppress(BrokenPipeError), stream:
        for batch in batches:
            for array in batch:
                stream.write(array.tobytes())
