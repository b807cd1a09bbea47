"""Configuration of detectors: which network looks, at which maps, and for what."""

from typing import TYPE_CHECKING
from typing import Literal
from typing import Self

import pydantic

from tfmodels.classification.config import ImageClassifierConfig
from tfmodels.classification.config import InputScaling
from tfmodels.classification.config import PositiveInt
from tfmodels.config import Config
from tfmodels.config import tagged_union
from tfmodels.googlenet.config import GoogLeNetConfig
from tfmodels.inception_v4.config import InceptionResNetV1Config
from tfmodels.inception_v4.config import InceptionResNetV2Config
from tfmodels.inception_v4.config import InceptionV4Config

if TYPE_CHECKING:
    Backbone = ImageClassifierConfig
else:
    Backbone = tagged_union(
        [
            GoogLeNetConfig,
            InceptionV4Config,
            InceptionResNetV1Config,
            InceptionResNetV2Config,
        ]
    )


class DetectorConfig(Config):
    """An image network with heads that score and place objects (US11809955B2, c1).

    Every position of a map is a cell, which scores the classes of an object around its
    centre and places its box.
    """

    kind: Literal["detector"] = "detector"
    backbone: Backbone
    """The network below; its training heads and what lies above the maps are absent."""
    num_classes: PositiveInt
    """Classes of objects; there is none for the background."""
    levels: tuple[str, ...] = pydantic.Field(min_length=1)
    """Names of the endpoints whose maps have heads, such as ``3b``; ``pool`` is one
    cell that sees the whole image, for localisation."""
    classes: Literal["independent", "exclusive"] = "independent"
    """independent: a probability for each class, and cells without an object have none.
    exclusive: probabilities that add up to 1, for images of one object; `levels` is
    then ``[pool]``."""
    head_filters: PositiveInt = 256
    """Filters of the convolution of each head; no width multiplier changes them."""
    size: float = pydantic.Field(default=4.0, gt=0)
    """Height and width of the boxes that a level is for, in cells. An object belongs to
    the level that suits its size best."""
    reach: float = pydantic.Field(default=0.75, ge=0.5, le=2)
    """How far from an object's centre a cell's own may be to be taught it, in cells."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the image."""
        return self.backbone.input_shape

    @property
    def input_scaling(self) -> InputScaling:
        """How pixels become inputs."""
        return self.backbone.input_scaling

    @pydantic.model_validator(mode="after")
    def _one_object_in_one_cell(self) -> Self:
        if self.classes == "exclusive" and self.levels != ("pool",):
            raise ValueError(
                "classes: exclusive ones are those of the only object of an image."
                " Expected levels: [pool] beside it. Received levels:"
                f" {list(self.levels)}."
            )
        return self
