"""Configuration of what makes a model smaller while a stage trains it."""

from typing import Annotated
from typing import Literal

import pydantic

from tfmodels.config import Config
from trainers.durations import Duration
from trainers.durations import Interval
from trainers.patterns import Pattern


class KernelCompression(Config):
    """What changes some of the kernels that a stage trains."""

    kernels: tuple[Pattern, ...] = ()
    """Regular expressions; kernels whose path holds a match of one. All when absent."""
    keep: tuple[Pattern, ...] = ()
    """Regular expressions; kernels whose path holds a match of one are left alone."""


class PruningConfig(KernelCompression):
    """Weights of small magnitude become 0, more and more of each kernel.

    Source: Zhu and Gupta, arXiv 1710.01878, section 3.
    """

    kind: Literal["pruning"] = "pruning"
    sparsity: float = pydantic.Field(gt=0, lt=1)
    """Share of each kernel's weights that are 0 in the end."""
    initial_sparsity: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """The share at `begin`."""
    begin: Duration = 0
    """When pruning begins, from the start of the stage."""
    end: Duration | None = None
    """When the last weight is pruned, from the start of the stage; in its middle when
    absent. What is left then learns to do without."""
    every: Interval = 10
    """Between two prunings; in between, weights that are 0 stay 0."""


class ClusteringConfig(KernelCompression):
    """The weights of a kernel share a few values, which are trained.

    Source: Han et al., "Deep Compression", arXiv 1510.00149, section 3.
    """

    kind: Literal["clustering"] = "clustering"
    clusters: int = pydantic.Field(default=16, ge=2, le=256)
    """Values that the weights of a kernel have."""
    begin: Duration = 0
    """When values are found (k-means, begun at even distances) and weights are put into
    clusters, which they do not leave again; from the start of the stage."""
    preserve_sparsity: bool = True
    """Weights that are 0 stay 0, which is one of the values."""


class QuantizationConfig(Config):
    """Weights and what layers compute are rounded to 8 bits as TFLite rounds them.

    Kernels have symmetric codes, with a scale for each output channel of a convolution;
    tensors between layers have codes of one scale and zero point, whose range is
    learned. Batch normalisation is folded into kernels and its statistics stay as they
    are. Source: Jacob et al., arXiv 1712.05877, section 3.
    """

    kind: Literal["quantization_aware"] = "quantization_aware"
    range_momentum: float = pydantic.Field(default=0.99, ge=0, lt=1)
    """Share of the old range of a tensor in the moving average of a step."""
    preserve_sparsity: bool = True
    """Weights that are 0 stay 0."""


AnyCompression = Annotated[
    PruningConfig | ClusteringConfig | QuantizationConfig,
    pydantic.Field(discriminator="kind"),
]
