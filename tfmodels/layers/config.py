"""Configuration of the parts that more than one model is made of."""

import pydantic

from tfmodels.config import Config


class BatchNorm(Config):
    """Batch normalisation of a convolution's output (arXiv 1502.03167)."""

    momentum: float = pydantic.Field(default=0.9997, ge=0, lt=1)
    """Share of the moving averages kept at each step. 0.9997 needs over 10,000 steps to
    forget its start values; use 0.9 for short runs."""
    epsilon: float = pydantic.Field(default=1e-3, gt=0)
    """Added to the variance."""
    scale: bool = True
    """Learn a factor per channel (gamma). ReLU networks were often released without."""
