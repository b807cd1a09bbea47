"""The command line in sub-processes, alone or as a cluster; none is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.launch.local import free_ports

ROOT = Path(__file__).parents[1]
SECONDS = 240
"""How long a process may run; a healthy one needs a small part of that."""


class Process:
    """``python -m tools.cli ARGUMENTS`` with its output in files."""

    def __init__(self, arguments: list[str], logs: Path, **environment: str) -> None:
        """Starts it; `logs` is the path of both output files without their ends."""
        self._paths = logs.with_suffix(".out"), logs.with_suffix(".err")
        variables = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
        with self._paths[0].open("w") as out, self._paths[1].open("w") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tools.cli", *arguments],
                cwd=ROOT,
                env={**variables, "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._paths[0].read_text(errors="replace")

    @property
    def errors(self) -> str:
        """What it has written to stderr so far."""
        return self._paths[1].read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def children(self) -> list[int]:
        """Numbers of the processes it started, in that order (Linux)."""
        number = self._process.pid
        return list(
            map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split())
        )

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = SECONDS) -> int:
        """Its exit code; negative for a signal that ended it."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds} s: {self}") from None

    def end(self) -> None:
        """Kills it with everything it started, unless it has ended."""
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __repr__(self) -> str:
        return f"{self._process.args}\n{self.output[-1000:]}\n{self.errors[-3000:]}"


class Machine:
    """Starts processes and ends all that are left when the test is over."""

    def __init__(self, logs: Path, stack: ExitStack) -> None:
        """Made by `machine`."""
        self._logs = logs
        self._stack = stack
        self._started = 0

    def start(self, *arguments: str | Path, **environment: str) -> Process:
        """Starts one process."""
        logs = self._logs / f"process{self._started}"
        self._started += 1
        process = Process([str(word) for word in arguments], logs, **environment)
        self._stack.callback(process.end)
        return process

    def start_workers(
        self, count: int, *arguments: str | Path, last: Sequence[Path] = ()
    ) -> list[Process]:
        """Starts the workers of a cluster, each with its TF_CONFIG; the chief first.

        `last` is one more argument for each worker that is another for all of them.
        """
        workers = [f"127.0.0.1:{port}" for port in free_ports(count)]
        return [
            self.start(
                *arguments,
                *last[index : index + 1],
                TF_CONFIG=tf_config(workers, index),
            )
            for index in range(count)
        ]


@contextmanager
def machine(logs: Path) -> Iterator[Machine]:
    """A place to start processes; nothing runs any more when the context ends.

    Args:
      logs: folder for what the processes print.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield Machine(logs, stack)


def tf_config(workers: list[str], index: int) -> str:
    """The variable that tells worker `index` who its cluster is."""
    task: dict[str, Any] = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": workers}, "task": task})


def is_gone(number: int) -> bool:
    """Whether a process has ended, perhaps still listed for its parent (Linux)."""
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


def wait_until(condition: Callable[[], bool], *processes: Process) -> None:
    """Waits for a condition while the processes run."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        for process in processes:
            assert process.running, f"ended too early: {process}"
        assert time.monotonic() < deadline, "\n".join(
            ["never came", *map(str, processes)]
        )
        time.sleep(0.005)
