"""The small network of the training tests, and how export tests it."""

from typing import Any

import keras

import tfmodels
from tests.trainers.small import SMALL
from trainers.configuration import read_yaml

MODEL: dict[str, Any] = read_yaml(SMALL, "small.yaml")["model"]

# A network trained this short is unsure of many answers, and rounding turns those.
OVERRIDES = ("export.min_agreement=0.95", "export.max_accuracy_drop=0.02")


def build(**changes: Any) -> keras.Model:
    """The network as it leaves, with fresh weights; `changes` are fields of it."""
    config = {**MODEL, **changes}
    return tfmodels.build(config.pop("kind"), **config).deploy()
