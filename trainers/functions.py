"""Functions of the user's, by their dotted path in a configuration."""

import importlib
from typing import Any

from tfmodels.errors import ConfigError


def function_at(path: str, key: str) -> Any:
    """Imports ``package.module.function``.

    Args:
      path: where it is.
      key: of the configuration, for the message.

    Raises:
      ConfigError: it cannot be imported.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{key}: cannot be imported. Expected package.module.function of a function"
            f" on the path. Received {path}: {error}."
        ) from None
