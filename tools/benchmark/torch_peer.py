"""The Python that has PyTorch, and what a peer needs besides."""

import os
import subprocess
import sys

from tfmodels.errors import ConfigError

_VARIABLE = "TFMODELS_TORCH_PYTHON"


def torch_python() -> str:
    """The Python that TFMODELS_TORCH_PYTHON names, or the one that runs."""
    return os.environ.get(_VARIABLE, sys.executable)


def torch_version(
    interpreter: str, module: str = "torch.distributed.pipelining", name: str = "torch"
) -> str:
    """The version of PyTorch, or of what builds on it, that a Python has.

    Args:
      interpreter: the Python.
      module: what must be there to be imported, NumPy besides.
      name: what is installed, as `pip` calls it.

    Raises:
      ConfigError: it is not there.
    """
    code = (
        f"import numpy, {module}, importlib.metadata as m; print(m.version({name!r}))"
    )
    try:
        found = subprocess.run(
            [interpreter, "-c", code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"{_VARIABLE}: no {module} to compare with. Expected the path of a Python"
            " that has it and NumPy, such as that of an environment made by `python -m"
            f" venv T && T/bin/pip install {name} numpy`. Received {interpreter!r}:"
            f" {error}"
        ) from None
    return found.stdout.strip()
