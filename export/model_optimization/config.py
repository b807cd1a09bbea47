"""What tensorflow-model-optimization is to do, and for how long."""

from typing import Literal

import pydantic

from tfmodels.config import Config


class LibraryCompression(Config):
    """A method of tensorflow-model-optimization, and how the network learns with it."""

    method: Literal["prune", "cluster", "quantize"]
    """prune: weights of small magnitude become 0. cluster: the weights of a kernel have
    few values. quantize: 8 bits are imitated in training, and an integer-only TFLite
    file is made."""
    epochs: int = pydantic.Field(default=5, ge=1)
    """Passes over the training data."""
    learning_rate: float = pydantic.Field(default=1e-3, gt=0)
    """Of Adam."""
    sparsity: float = pydantic.Field(default=0.5, gt=0, lt=1)
    """prune: share of each kernel's weights that are 0 in the end."""
    clusters: int = pydantic.Field(default=16, ge=2, le=256)
    """cluster: values that the weights of a kernel have."""
