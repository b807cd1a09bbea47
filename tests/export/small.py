"""The small network of the training tests, and how export tests it."""

from typing import Any

import keras

import tfmodels
from tests.trainers.small import SMALL
from trainers.configuration import read_yaml

MODEL: dict[str, Any] = read_yaml(SMALL, "small.yaml")["model"]


def build(**changes: Any) -> keras.Model:
    """The network as it leaves, with fresh weights; `changes` are fields of it."""
    config = {**MODEL, **changes}
    return tfmodels.build(config.pop("kind"), **config).deploy()
