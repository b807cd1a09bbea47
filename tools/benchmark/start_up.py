"""How long commands take that must not load TensorFlow."""

import subprocess
import sys
from functools import partial
from typing import Any

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates

COMMANDS = {
    "help": ["--help"],
    "systems": ["systems"],
    "config_validate": ["config", "validate", "googlenet/tiny"],
    "config_schema": ["config", "schema"],
}


def start_up(rounds: int = 7) -> dict[str, Any]:
    """Median seconds of each command, as whole processes."""

    def rival(*arguments: str) -> float:
        command = [sys.executable, "-m", "tools.cli", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return 1.0

    rivals = {name: partial(rival, *words) for name, words in COMMANDS.items()}
    per_second = rates(rivals, rounds)
    return {
        "benchmark": "start_up",
        "rounds": rounds,
        "seconds": {name: 1 / rate for name, rate in per_second.items()},
        "machine": machine(),
    }
