"""Building the model of a task."""

import keras

from tfmodels import catalog
from tfmodels.config import Config


def build_model(config: Config, precision: str) -> keras.Model:
    """The configured model under a precision policy, which is the default only here."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return catalog.build(config)
    finally:
        keras.config.set_dtype_policy(before)
