"""Configuration of training on weights with noise."""

from typing import Literal

import pydantic

from tfmodels.config import Config
from trainers.objectives.config import CrossEntropyConfig


class WeightNoiseConfig(Config):
    """A plain loss of a model to whose weights noise is added in every step.

    Graves, "Practical variational inference for neural networks", 2011, with a fixed
    deviation. Noise is for a stage that begins when the model has learned something
    (arXiv 1904.08779: after 20,000 steps). Evaluations have none.
    """

    kind: Literal["weight_noise"] = "weight_noise"
    base: CrossEntropyConfig = CrossEntropyConfig()
    """The plain loss."""
    deviation: float = pydantic.Field(default=0.075, gt=0)
    """Standard deviation of the noise (arXiv 1904.08779; Lingvo)."""
