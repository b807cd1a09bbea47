"""Configuration of GoogLeNet: every hyperparameter and where it comes from."""

from collections.abc import Mapping
from typing import Any
from typing import Literal
from typing import Self

import pydantic

from tfmodels.classification.config import ImageClassifierConfig
from tfmodels.classification.config import InputScaling
from tfmodels.classification.config import PositiveInt
from tfmodels.classification.config import Rate
from tfmodels.classification.config import TrainingHead
from tfmodels.config import Config
from tfmodels.layers.config import BatchNorm


class InceptionModule(Config):
    """Parallel paths over one input: at least one of the three groups.

    The paths' outputs are joined in the order of the fields (US9715642B2, claim 1).
    """

    pass_through: PositiveInt | None = None
    """Filters of the pass-through convolution (US9715642B2, claim 2)."""
    pass_through_kernel: PositiveInt = 1
    group_3x3: tuple[PositiveInt, PositiveInt] | None = None
    """Filters of a 1x1 and the 3x3 convolution after it (US9911069B1, claim 1)."""
    group_5x5: tuple[PositiveInt, PositiveInt] | None = None
    """Filters of a 1x1 and the 5x5 convolution after it (US9911069B1, claim 5)."""
    pool_projection: PositiveInt | None = None
    """Filters of the 1x1 convolution after a 3x3 max pool (US10977529B2, claim 1)."""

    @pydantic.model_validator(mode="after")
    def _has_a_group(self) -> Self:
        if not (self.group_3x3 or self.group_5x5 or self.pool_projection):
            raise ValueError(
                "a module needs at least one of group_3x3, group_5x5, pool_projection"
            )
        return self


class SideHead(TrainingHead):
    """A side classifier: pool -> 1x1 -> fully connected -> dropout -> class scores."""

    attach: str
    """Module whose output it reads, such as ``4a``."""
    hidden: PositiveInt = 1024
    """Units of the fully connected layer."""
    dropout_rate: Rate = 0.7
    """Share of the hidden units that is dropped."""


def _module(pass_through: int, *groups: int) -> InceptionModule:
    reduce_3x3, conv_3x3, reduce_5x5, conv_5x5, projection = groups
    return InceptionModule(
        pass_through=pass_through,
        group_3x3=(reduce_3x3, conv_3x3),
        group_5x5=(reduce_5x5, conv_5x5),
        pool_projection=projection,
    )


TABLE_1 = (
    (
        _module(64, 96, 128, 16, 32, 32),
        _module(128, 128, 192, 32, 96, 64),
    ),
    (
        _module(192, 96, 208, 16, 48, 64),
        _module(160, 112, 224, 24, 64, 64),
        _module(128, 128, 256, 24, 64, 64),
        _module(112, 144, 288, 32, 64, 64),
        _module(256, 160, 320, 32, 128, 128),
    ),
    (
        _module(256, 160, 320, 32, 128, 128),
        _module(384, 192, 384, 48, 128, 128),
    ),
)
"""The modules of arXiv 1409.4842, table 1: those of 3a-3b, 4a-4e and 5a-5b."""

_HEADS = (SideHead(attach="4a"), SideHead(attach="4d"))

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "bn": {
        "input_scaling": "inception",
        "batch_norm": BatchNorm(),
        "local_response_norm": False,
        "initialization": "he",
    },
    "slim": {
        "input_scaling": "inception",
        "dropout_rate": 0.2,
        "batch_norm": BatchNorm(scale=False),
        "local_response_norm": False,
        "initialization": "he",
        "third_kernel": 3,
        "last_pool_size": 2,
        "heads": (),
    },
    "torchvision": {
        "input_scaling": "torch",
        "dropout_rate": 0.2,
        "batch_norm": BatchNorm(),
        "local_response_norm": False,
        "initialization": "he",
        "third_kernel": 3,
        "last_pool_size": 2,
        "symmetric_padding": True,
        "heads": tuple(head.model_copy(update={"adaptive_size": 4}) for head in _HEADS),
    },
}
"""The defaults in which each variant differs from the paper's network."""


class GoogLeNetConfig(ImageClassifierConfig):
    """GoogLeNet (arXiv 1409.4842; US9715642B2, US9904875B2, US9911069B1).

    The defaults are those of the variant `paper`; another variant changes those fields
    that are not given.
    """

    kind: Literal["googlenet"] = "googlenet"
    variant: Literal["paper", "bn", "slim", "torchvision"] = "paper"
    """paper: arXiv 1409.4842 as drawn. bn: the same with batch normalisation. slim and
    torchvision: as those libraries' released weights need it."""
    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (224, 224, 3)
    input_scaling: InputScaling = "caffe"
    dropout_rate: Rate = 0.4
    batch_norm: BatchNorm | None = None
    local_response_norm: bool = True
    """Normalise over neighbouring channels after pool1 and before pool2."""
    initialization: Literal["glorot", "he"] = "glorot"
    """glorot: uniform kernels, biases 0.2. he: normal kernels by fan-in."""
    stem: Literal["standard", "small"] = "standard"
    """small: no stride and no pool before the modules, for images of 8 to 32 pixels."""
    stages: tuple[tuple[InceptionModule, ...], ...] = TABLE_1
    """Modules in order, with a max pool of stride 2 between two stages. They are called
    3a, 3b, ... in the first stage, 4a, ... in the second."""
    third_kernel: PositiveInt = 5
    """Kernel of `group_5x5`. Two libraries have 3, a mistake their weights preserve."""
    last_pool_size: PositiveInt = 3
    """Window of the last max pool between stages; the others have 3."""
    symmetric_padding: bool = False
    """Pad the first convolution by 3 on all sides, and pools at their end only (ceil
    mode), in place of TensorFlow's padding."""
    output_stride: PositiveInt | None = None
    """Largest distance of neighbouring positions, in pixels: pools between stages that
    would go beyond have no stride, and later kernels are dilated. None when absent."""
    heads: tuple[SideHead, ...] = _HEADS
    """Side classifiers for training, called aux1, aux2, ..."""

    @property
    def module_names(self) -> tuple[tuple[str, ...], ...]:
        """Names of the modules, by stage."""
        return tuple(
            tuple(f"{number}{chr(ord('a') + index)}" for index in range(len(stage)))
            for number, stage in enumerate(self.stages, start=3)
        )

    def without_training_heads(self) -> Self:
        """The same network without side classifiers."""
        return self.model_copy(update={"heads": ()})

    @pydantic.model_validator(mode="after")
    def _follows_its_variant(self) -> Self:
        self._take_defaults(VARIANTS[self.variant])
        return self

    @property
    def stem_stride(self) -> int:
        """Distance of neighbouring positions of the first module's input, in pixels."""
        return {"standard": 8, "small": 1}[self.stem]

    @pydantic.model_validator(mode="after")
    def _stride_is_there(self) -> Self:
        halvings = len(self.stages) - 1
        self._check_output_stride(self.output_stride, self.stem_stride, halvings)
        return self

    @pydantic.model_validator(mode="after")
    def _heads_are_attached(self) -> Self:
        modules = [name for stage in self.module_names for name in stage]
        for head in self.heads:
            if head.attach not in modules:
                raise ValueError(
                    "heads must be attached to a module. Expected attach: one of"
                    f" {', '.join(modules)}. Received: {head.attach!r}"
                )
        return self
