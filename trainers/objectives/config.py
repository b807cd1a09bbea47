"""Configuration of objectives that have no folder of their own."""

from typing import Literal

import pydantic

from tfmodels.config import Config
from tfmodels.decoding.config import LengthConfig


class CrossEntropyConfig(Config):
    """Cross entropy between labels and ``logits``, with weighted auxiliary heads."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """Probability mass spread evenly over all classes."""
    auxiliary_weights: dict[str, float] = {}
    """Weight of the loss of each further output, by its name: ``aux1_logits: 0.3``; of
    speech ``variety_logits: 0.1``, which learn the variety."""


class ExpectedRewardConfig(LengthConfig):
    """The GLEU that sampled answers are expected to have, mixed with likelihood."""

    kind: Literal["expected_reward"] = "expected_reward"
    samples: int = pydantic.Field(default=15, ge=2)
    """Answers drawn for each source; their mean reward is the baseline of each."""
    likelihood_weight: float = pydantic.Field(default=0.017, ge=0)
    """Weight of the right answer's log-probability (Wu et al., equation 9)."""
