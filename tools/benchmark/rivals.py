"""Rivals that are programs of their own, which work when they are told to."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any
from typing import Self

from tfmodels.errors import CheckFailed
from tools.benchmark.timing import rates


class Rival:
    """A program that answers a JSON line on its input with one on its output.

    Its first answer says that it is ready. It ends when its input does.

    Args:
      arguments: of the interpreter.
      cores: on which it may run, threads that it starts included.
      environment: variables it has besides those of this process.
      interpreter: a Python.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        cores: Sequence[int],
        environment: Mapping[str, str] | None = None,
        interpreter: str = sys.executable,
    ) -> None:
        self._arguments = list(arguments)
        self._process = start([interpreter, *arguments], cores, environment)

    def answer(self) -> dict[str, Any]:
        """Waits for the next answer.

        Raises:
          CheckFailed: the program has ended.
        """
        output = self._process.stdout
        line = output.readline() if output else ""
        if not line:
            raise CheckFailed(
                "a rival ended before its time. Expected an answer; received the exit"
                f" code {self._process.wait()} of {' '.join(self._arguments)}, which"
                " says above what is wrong."
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request and waits for the answer."""
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self.answer()

    def __enter__(self) -> Self:
        """Nothing to do: it has begun."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the program."""
        stop(self._process)


def start(
    command: Sequence[str],
    cores: Sequence[int],
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Starts a program on some cores, before it can count them."""
    return subprocess.Popen(
        command,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def stop(process: subprocess.Popen[str]) -> None:
    """Kills a program, which holds nothing of value."""
    process.kill()
    process.communicate()


def two_cores() -> tuple[int, int]:
    """Cores for two devices.

    Raises:
      CheckFailed: there is only one.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise CheckFailed(
            "two stages that share a core are not faster than one. Expected at least 2"
            f" cores; received {len(cores)}."
        )
    return cores[0], cores[1]


def answers() -> Any:
    """In a rival: the file to answer on; what is printed goes to the errors instead."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return output


def compare(
    rivals: Mapping[str, Rival], num_steps: int, rounds: int
) -> tuple[dict[str, float], dict[str, list[dict[str, Any]]]]:
    """Steps per second of rivals that train in turns, once all are ready.

    Args:
      rivals: by name.
      num_steps: steps in a turn.
      rounds: turns each rival gets, after one to warm up.

    Returns:
      The medians, and what the rivals answered in every turn.
    """
    for rival in rivals.values():
        rival.answer()
    return take_turns(rivals, num_steps, rounds, steps=num_steps)


def take_turns(
    rivals: Mapping[str, Rival], amount: float, rounds: int, **request: Any
) -> tuple[dict[str, float], dict[str, list[dict[str, Any]]]]:
    """`compare` for rivals that are ready, and any request.

    Args:
      rivals: by name.
      amount: how much work a turn is.
      rounds: turns each rival gets, after one to warm up.
      **request: what they are asked to do in a turn.
    """
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in rivals}

    def work(name: str) -> float:
        answers[name].append(rivals[name].ask(**request))
        return float(amount)

    return rates({name: partial(work, name) for name in rivals}, rounds), answers


def speeds(
    rivals: Mapping[str, Rival],
    amount: float,
    rounds: int,
    peers: tuple[str, ...],
    **request: Any,
) -> dict[str, Any]:
    """Work per second, and per CPU second of all threads, and all over the best peer's.

    The latter tells more on a machine that others use too.

    Args:
      rivals: by name; they answer with ``cpu_seconds``.
      amount: how much work a turn is.
      rounds: see `take_turns`.
      peers: names of those that others are compared with.
      **request: see `take_turns`.
    """
    per_second, answers = take_turns(rivals, amount, rounds, **request)
    per_cpu = {
        name: amount / statistics.median(answer["cpu_seconds"] for answer in given[1:])
        for name, given in answers.items()
    }
    return {
        "per_second": per_second,
        "over_peer": _over(per_second, peers),
        "per_cpu_second": per_cpu,
        "over_peer_per_cpu_second": _over(per_cpu, peers),
    }


def _over(speed: Mapping[str, float], peers: tuple[str, ...]) -> dict[str, float]:
    best = max(speed[name] for name in peers)
    return {name: s / best for name, s in speed.items() if name not in peers}
