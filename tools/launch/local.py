"""The processes of a cluster on this machine: all run, or none."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from types import FrameType
from typing import IO

from tools.launch.members import Arguments
from tools.launch.members import Member
from trainers.cores import num_cores

# Seconds for the others to end by themselves, after the first or after a lost one.
_PATIENCE = 60.0
_PAUSE = 0.1
_PR_SET_PDEATHSIG = 1


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def run(cluster: Sequence[Member], arguments: Arguments) -> int:
    """Runs the processes of a cluster until the first of them ends, then ends all.

    SIGINT and SIGTERM are passed on to those that train.

    Args:
      cluster: the processes; the first is the one that ends the run.
      arguments: what each is told.

    Returns:
      The first process's exit code, as a shell would give it.
    """
    started: list[subprocess.Popen[str]] = []
    try:
        for member in cluster:
            # What the first one prints, progress included, is for the terminal.
            started.append(_start(member, arguments, output=not started))
        trainers = [p for m, p in zip(cluster, started, strict=True) if m.role.trains]
        with _passing_on_signals(trainers):
            code = _wait(cluster, started, arguments)
            # Nobody has told the others that a run is over which failed.
            others = [p for m, p in zip(cluster, started, strict=True) if m.role.ends]
            _wait_for(trainers if code else others)
    finally:
        _stop(started)
    return code if code >= 0 else 128 - code


def _start(member: Member, arguments: Arguments, output: bool) -> subprocess.Popen[str]:
    # Or each would use all cores, and two devices would be no faster than one.
    threads = max(1, num_cores() // member.role.count)
    environment = {
        "TF_CONFIG": member.tf_config,
        "TF_NUM_INTRAOP_THREADS": str(threads),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.cli", *arguments[member.role.command]],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=None if output else subprocess.PIPE,
        stderr=None if output else subprocess.STDOUT,
        text=True,
        errors="replace",
        # Not the terminal's: Ctrl-C would end the workers before the run is saved.
        start_new_session=True,
        preexec_fn=_ends_with_this_process(),
    )
    if process.stdout:
        _forward(member.name, process.stdout)
    return process


def _ends_with_this_process() -> Callable[[], None] | None:
    """What a new process does first: asks Linux to kill it when this one is gone."""
    if sys.platform != "linux":
        return None
    system, launcher = ctypes.CDLL(None), os.getpid()

    def ask() -> None:
        system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:  # it went before it was asked
            os._exit(1)

    return ask


def _forward(name: str, lines: IO[str]) -> None:
    """Prints another process's lines here, with its name, until it ends."""

    def copy() -> None:
        for line in lines:
            print(f"{name} | {line}", end="", file=sys.stderr, flush=True)

    # Python does not end before the last line is printed.
    threading.Thread(target=copy).start()


@contextmanager
def _passing_on_signals(processes: Sequence[subprocess.Popen[str]]) -> Iterator[None]:
    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, pass_on) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _wait(
    cluster: Sequence[Member],
    started: list[subprocess.Popen[str]],
    arguments: Arguments,
) -> int:
    """Waits for the first process to end, not for long once another one has.

    Those that may be are started again instead, in their places in `started`. A replica
    that ends well has been told that the run is over.
    """
    first = started[0]
    revived = [0] * len(cluster)
    deadline = float("inf")
    while first.poll() is None:
        for i, member in enumerate(cluster[1:], 1):
            code = started[i].poll()
            well = code == 0 and not member.role.trains
            if code is None or well or deadline < float("inf"):
                continue
            again = revived[i] < member.role.revived
            end = "; starting it again" if again else ""
            print(f"{member.name} ended, code {code}{end}", file=sys.stderr, flush=True)
            if again:
                revived[i] += 1
                started[i] = _start(member, arguments, output=False)
            else:
                deadline = time.monotonic() + _PATIENCE
        if time.monotonic() > deadline:
            first.kill()
        time.sleep(_PAUSE)
    return first.returncode


def _wait_for(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Waits for all to end by themselves, as they do after the first one."""
    deadline = time.monotonic() + _PATIENCE
    while any(p.poll() is None for p in processes) and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _stop(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Kills all that still run: they hold nothing that is not saved."""
    for process in processes:
        if process.poll() is None:
            process.kill()
    for process in processes:
        process.wait()
