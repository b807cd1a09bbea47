"""Configuration of the Inception-v4 family, and where each hyperparameter is from."""

import warnings
from typing import Literal
from typing import Self

import pydantic

from tfmodels.classification.config import ImageClassifierConfig
from tfmodels.classification.config import PositiveInt
from tfmodels.classification.config import TrainingHead

BlockCounts = tuple[PositiveInt, PositiveInt, PositiveInt]
Scales = tuple[
    pydantic.NonNegativeFloat, pydantic.NonNegativeFloat, pydantic.NonNegativeFloat
]


class AuxiliaryHead(TrainingHead):
    """A side classifier: pool -> 1x1 -> convolution over the whole map -> scores."""

    hidden: PositiveInt | None = 768
    """Filters of the convolution over the whole map; null leaves it out."""


class InceptionConfig(ImageClassifierConfig):
    """What the three networks of arXiv 1602.07261 have in common."""

    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (299, 299, 3)
    stem: Literal["standard", "small"] = "standard"
    """small: Inception-v4's stem without its strides, for images of 8 to 32 pixels."""
    padding: Literal["valid", "same"] = "valid"
    """Border of the convolutions and pools that the publication marks V. `same` keeps
    small maps from vanishing."""
    output_stride: PositiveInt | None = None
    """Largest distance of neighbouring positions, in pixels: reductions that would go
    beyond have no stride, and later kernels are dilated. None when absent."""
    auxiliary_head: AuxiliaryHead | None = AuxiliaryHead()
    """Side classifier on the last block at 17x17 (arXiv 1512.00567, section 4)."""

    def without_training_heads(self) -> Self:
        """The same network without its side classifier."""
        return self.model_copy(update={"auxiliary_head": None})

    @property
    def stem_stride(self) -> int:
        """Distance of neighbouring positions of the first block's input, in pixels."""
        return {"standard": 8, "small": 1}[self.stem]

    @pydantic.model_validator(mode="after")
    def _stride_is_there(self) -> Self:
        self._check_output_stride(self.output_stride, self.stem_stride, halvings=2)
        return self

    @pydantic.model_validator(mode="after")
    def _image_is_large_enough(self) -> Self:
        least = {"standard": 75, "small": 7}[self.stem]
        if self.padding == "valid" and min(self.input_shape[:2]) < least:
            raise ValueError(
                f"the image is too small for padding 'valid'. Expected input_shape: at"
                f" least {least} pixels high and wide, or padding: same."
                f" Received: {list(self.input_shape)}"
            )
        return self


class InceptionV4Config(InceptionConfig):
    """Inception-v4 (arXiv 1602.07261, figures 3 to 9; US10460211B2, US11062181B2)."""

    kind: Literal["inception_v4"] = "inception_v4"
    block_counts: BlockCounts = (4, 7, 3)
    """Number of blocks at 35x35, 17x17 and 8x8."""
    factorization: Literal["released", "paper"] = "released"
    """Which of 1xn and nx1 comes first in the stem and in the long stacks: as in the
    released weights, or as the paper draws it."""


class InceptionResNetConfig(InceptionConfig):
    """What the two residual networks have in common."""

    residual_scales: Scales = (0.17, 0.10, 0.20)
    """Factor of the residual branches at 35x35, 17x17 and 8x8."""
    factorization: Literal["1xn_first", "nx1_first"] = "1xn_first"
    """Which kernel of a factorised pair comes first."""

    @pydantic.field_validator("residual_scales")
    @classmethod
    def _scales_are_stable(cls, scales: Scales) -> Scales:
        unusual = [scale for scale in scales if not 0.1 <= scale <= 0.3]
        if unusual:
            warnings.warn(
                "residual_scales outside 0.1 to 0.3 can make wide residual networks die"
                f" in training (arXiv 1602.07261, section 3.3). Received: {unusual}.",
                stacklevel=2,
            )
        return scales


class InceptionResNetV1Config(InceptionResNetConfig):
    """Inception-ResNet-v1 (arXiv 1602.07261, figures 10 to 15)."""

    kind: Literal["inception_resnet_v1"] = "inception_resnet_v1"
    block_counts: BlockCounts = (5, 10, 5)
    """Number of blocks at 35x35, 17x17 and 8x8."""


class InceptionResNetV2Config(InceptionResNetConfig):
    """Inception-ResNet-v2, as released with its weights or as drawn in the paper."""

    kind: Literal["inception_resnet_v2"] = "inception_resnet_v2"
    wiring: Literal["released", "paper"] = "released"
    """released: another stem, twice the blocks, a last block without scale and ReLU,
    and a 1x1 convolution before the pool. paper: arXiv 1602.07261, figures 15 to 19."""
    block_counts: BlockCounts = (10, 20, 10)
    """Number of blocks at 35x35, 17x17 and 8x8; the paper's wiring has 5, 10, 5."""

    @pydantic.model_validator(mode="after")
    def _follows_its_wiring(self) -> Self:
        if self.wiring == "paper":
            self._take_defaults({"block_counts": (5, 10, 5)})
        return self
