"""Configuration that all image classifiers share."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated
from typing import Any
from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.layers.config import BatchNorm

PositiveInt = Annotated[int, pydantic.Field(ge=1)]
Rate = Annotated[float, pydantic.Field(ge=0, lt=1)]
InputScaling = Literal["caffe", "inception", "torch"]


class TrainingHead(Config):
    """A classifier on the side of the network that is there only while it trains.

    It average-pools its subnetwork's output and projects it with a 1x1 convolution.
    """

    pool_size: PositiveInt = 5
    """Side of the pooling window; the map's own side where that is smaller."""
    pool_strides: PositiveInt = 3
    pool_padding: Literal["valid", "same"] = "valid"
    adaptive_size: PositiveInt | None = None
    """Average over this many windows each way, whatever the map; replaces the pool."""
    filters: PositiveInt = 128
    """Filters of the 1x1 convolution."""


class ImageClassifierConfig(Config):
    """What every image classifier has."""

    kind: str
    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Height, width and channels of the image."""
    num_classes: PositiveInt = 1000
    width_multiplier: float = pydantic.Field(default=1.0, gt=0)
    """Scales every published number of filters, to multiples of 4 and at least 4."""
    input_scaling: InputScaling = "inception"
    """How pixels become inputs: see `tfmodels.classification.pixels`."""
    dropout_rate: Rate = 0.2
    """Share of the pooled features that is dropped before the class scores."""
    batch_norm: BatchNorm | None = BatchNorm()
    """Normalisation after each convolution; without it convolutions have a bias."""

    def width(self, filters: int) -> int:
        """Number of filters of this network for a published number of filters."""
        if self.width_multiplier == 1:
            return filters
        return max(4, round(filters * self.width_multiplier / 4) * 4)

    def _take_defaults(self, defaults: Mapping[str, Any]) -> None:
        """Sets the fields that were not given; called by validators alone.

        A plain default cannot depend on another field. A default factory can, but every
        mistake elsewhere in the configuration would then be reported for its field too.
        """
        for field, value in defaults.items():
            if field not in self.model_fields_set:
                object.__setattr__(self, field, value)

    def _check_output_stride(
        self, stride: int | None, stem: int, halvings: int
    ) -> None:
        """Refuses an output stride that the network cannot stop at.

        Args:
          stride: what is wanted.
          stem: of the network's stem, in pixels.
          halvings: how often the map is halved after it.

        Raises:
          ValueError: it is none of the strides there are.
        """
        able = [stem * 2**number for number in range(halvings + 1)]
        if stride is not None and stride not in able:
            raise ValueError(
                "output_stride: the network has no such stride. Expected one of"
                f" {', '.join(map(str, able))}. Received {stride}."
            )

    @abstractmethod
    def without_training_heads(self) -> Self:
        """The same network without the heads that only training needs."""
