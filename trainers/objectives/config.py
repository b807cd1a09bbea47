"""Configuration of objectives that have no folder of their own."""

from typing import Literal

import pydantic

from tfmodels.config import Config


class CrossEntropyConfig(Config):
    """Cross entropy between labels and ``logits``, with weighted auxiliary heads."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """Probability mass spread evenly over all classes."""
    auxiliary_weights: dict[str, float] = {}
    """Weight of the loss of each further output, by its name: ``aux1_logits: 0.3``."""
