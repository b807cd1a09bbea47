"""Building the model of a task, and whether it suits the data."""

from collections.abc import Mapping
from typing import Any

import keras

from tfmodels import catalog
from tfmodels.config import Config
from tfmodels.errors import ConfigError


def check_model(model: Any, data: Any, sizes: Mapping[str, int]) -> None:
    """Compares a model's configuration with what its data have.

    Raises:
      ConfigError: a key of the model has another size than the data.
    """
    for key, expected in sizes.items():
        if getattr(model, key) != expected:
            raise ConfigError(
                f"model.{key}: the data, {data.kind}, do not suit the model. Expected"
                f" {expected}; received {getattr(model, key)}."
            )


def build_model(config: Config, precision: str) -> keras.Model:
    """The configured model under a precision policy, which is the default only here."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return catalog.build(config)
    finally:
        keras.config.set_dtype_policy(before)
