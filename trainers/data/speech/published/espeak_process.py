"""Asks eSpeak NG, which runs in a process of its own.

It is under the GPL, version 3, comes with the optional extra ``speech``, and has one
state for a whole process: here it is never loaded.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfmodels.errors import DataError


def asked(jobs: Iterable[dict[str, object]]) -> Iterator[dict[str, Any]]:
    """Answers of one fresh process, in the order of the jobs.

    The sound of an utterance depends on those that the process said before, so the same
    jobs in the same order give the same sound, bit for bit, and others need not.

    Args:
      jobs: each has ``voice``, ``variant`` ("" for none) and ``text``; ``path`` of the
        WAV file to write; ``spell`` where mnemonics are wanted; ``rate``, ``pitch``.

    Yields:
      ``events``, name and milliseconds of each phoneme and pause, and ``seconds``, how
      long the sound is, where there is a path; ``clauses``, written form and mnemonics
      of each, where they are wanted.

    Raises:
      DataError: eSpeak NG is not installed, or has no such voice or variant.
    """
    if importlib.util.find_spec("espeakng_loader") is None:
        raise DataError(
            "eSpeak NG is not installed. Expected the extra speech: pip install"
            " 'tfmodels[speech]' (eSpeak NG is under the GPL, version 3). Received no"
            " module espeakng_loader."
        )
    worker = Path(__file__).with_name("espeak_worker.py")
    with subprocess.Popen(
        [sys.executable, str(worker)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a process was started without its pipes")
        for job in jobs:
            try:
                process.stdin.write(f"{json.dumps(job)}\n")
                process.stdin.flush()
                line = process.stdout.readline().strip()
            except BrokenPipeError:
                line = ""
            if not line.startswith("{"):
                line += process.stdout.read()
                raise DataError(
                    "eSpeak NG cannot say a text. Expected a voice and a variant that"
                    f" it has. Received for {job['voice']!r} and {job['variant']!r}:"
                    f" {line.strip()[-500:]}"
                )
            yield json.loads(line)
        process.stdin.close()
