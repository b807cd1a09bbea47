"""Where results lie, and how a command of the project is run for them."""

import re
import subprocess
import sys
from pathlib import Path

from tfmodels.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "docs" / "results"
RUNS = ROOT / "runs" / "results"


def part_file(name: str) -> Path:
    """The file of a part's figures."""
    plain = re.sub(r"[^\w.-]+", "_", name).strip("_")
    return PARTS / f"{plain}.json"


def runs_folder(name: str) -> Path:
    """Where a recipe's runs lie, each in a folder ``seedN``."""
    return RUNS / part_file(name).stem


def tfmodels(*arguments: str) -> str:
    """Runs the command line of this checkout; what it printed."""
    return python("-m", "tools.cli", *arguments)


def python(*arguments: str) -> str:
    """Runs this Python in the checkout; what it printed.

    Raises:
      ConfigError: the process ended with that error's code.
    """
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        message = f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}"
        if done.returncode == ConfigError.exit_code:
            raise ConfigError(message)
        sys.exit(message)
    return done.stdout
