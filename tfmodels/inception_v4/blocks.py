"""The blocks of the Inception-v4 family as tables: branches, kernels and filters.

Branch names follow the order of concatenation. R is arXiv 1602.07261.
"""

import dataclasses

from tfmodels.layers.branches import Branches
from tfmodels.layers.branches import Fork
from tfmodels.layers.convolution import Conv
from tfmodels.layers.convolution import Padding
from tfmodels.layers.convolution import Pool

_AVERAGE = Pool("average")


def factorized(
    size: int, first: int, second: int, tall_first: bool = False
) -> tuple[Conv, Conv]:
    """An nxn kernel as two: 1xn then nx1, or nx1 then 1xn if `tall_first`."""
    wide, tall = (1, size), (size, 1)
    kernels = (tall, wide) if tall_first else (wide, tall)
    return Conv(first, kernels[0]), Conv(second, kernels[1])


def stem_entry(padding: Padding) -> Branches:
    """147x147 -> 73x73 of Inception-v4's stem (R figure 3)."""
    return {
        "branch1": (Pool("max", strides=2, padding=padding),),
        "branch2": (Conv(96, 3, 2, padding),),
    }


def stem_factorized(padding: Padding, tall_first: bool) -> Branches:
    """73x73 -> 71x71 of Inception-v4's stem (R figure 3)."""
    return {
        "branch1": (Conv(64), Conv(96, 3, padding=padding)),
        "branch2": (
            Conv(64),
            *factorized(7, 64, 64, tall_first),
            Conv(96, 3, padding=padding),
        ),
    }


def stem_widening(strides: int, padding: Padding) -> Branches:
    """71x71 -> 35x35 of Inception-v4's stem (R figure 3, which leaves out a stride)."""
    return {
        "branch1": (Conv(192, 3, strides, padding),),
        "branch2": (Pool("max", strides=strides, padding=padding),),
    }


def reduction_a(
    reduced: int, first: int, second: int, single: int, padding: Padding
) -> Branches:
    """35x35 -> 17x17 (R figure 7; the filters are k, l, m, n of table 1)."""
    return {
        "branch1": (Conv(single, 3, 2, padding),),
        "branch2": (Conv(reduced), Conv(first, 3), Conv(second, 3, 2, padding)),
        "branch3": (Pool("max", strides=2, padding=padding),),
    }


def inception_a() -> Branches:
    """Inception-v4 at 35x35 (R figure 4; US10460211B2, claim 1)."""
    return {
        "branch1": (Conv(96),),
        "branch2": (Conv(64), Conv(96, 3)),
        "branch3": (Conv(64), Conv(96, 3), Conv(96, 3)),
        "branch4": (_AVERAGE, Conv(96)),
    }


def inception_b(tall_first: bool) -> Branches:
    """Inception-v4 at 17x17 (R figure 5, whose second 1x7 is a misprint for 7x1)."""
    return {
        "branch1": (Conv(384),),
        "branch2": (Conv(192), *factorized(7, 224, 256)),
        "branch3": (
            Conv(192),
            *factorized(7, 192, 224, tall_first),
            *factorized(7, 224, 256, tall_first),
        ),
        "branch4": (_AVERAGE, Conv(128)),
    }


def inception_c(tall_first: bool) -> Branches:
    """Inception-v4 at 8x8 (R figure 6; US11062181B2, claim 1)."""
    fork = Fork(factorized(3, 256, 256))
    return {
        "branch1": (Conv(256),),
        "branch2": (Conv(384), fork),
        "branch3": (Conv(384), *factorized(3, 448, 512, tall_first), fork),
        "branch4": (_AVERAGE, Conv(256)),
    }


def reduction_b(padding: Padding) -> Branches:
    """17x17 -> 8x8 of Inception-v4 (R figure 8)."""
    return {
        "branch1": (Conv(192), Conv(192, 3, 2, padding)),
        "branch2": (Conv(256), *factorized(7, 256, 320), Conv(320, 3, 2, padding)),
        "branch3": (Pool("max", strides=2, padding=padding),),
    }


def released_stem_mixed() -> Branches:
    """The module at 35x35 that ends the stem of the released Inception-ResNet-v2."""
    return {
        "branch1": (Conv(96),),
        "branch2": (Conv(48), Conv(64, 5)),
        "branch3": (Conv(64), Conv(96, 3), Conv(96, 3)),
        "branch4": (_AVERAGE, Conv(64)),
    }


@dataclasses.dataclass(frozen=True)
class ResidualTables:
    """Blocks of an Inception-ResNet at 35x35, 17x17 and 8x8, and what lies between."""

    blocks: tuple[Branches, Branches, Branches]
    reductions: tuple[Branches, Branches]


def resnet_v1(padding: Padding, tall_first: bool) -> ResidualTables:
    """Inception-ResNet-v1 (R figures 10 to 13)."""
    return ResidualTables(
        blocks=(
            _residual_a(32, 32, 32),
            _residual_factorized(128, Conv(128), factorized(7, 128, 128, tall_first)),
            _residual_factorized(192, Conv(192), factorized(3, 192, 192, tall_first)),
        ),
        reductions=(
            reduction_a(192, 192, 256, 384, padding),
            _residual_reduction_b(256, 256, 256, padding),
        ),
    )


def resnet_v2(padding: Padding, tall_first: bool) -> ResidualTables:
    """Inception-ResNet-v2 (R figures 16 to 19)."""
    return ResidualTables(
        blocks=(
            _residual_a(32, 48, 64),
            _residual_factorized(192, Conv(128), factorized(7, 160, 192, tall_first)),
            _residual_factorized(192, Conv(192), factorized(3, 224, 256, tall_first)),
        ),
        reductions=(
            reduction_a(256, 256, 384, 384, padding),
            _residual_reduction_b(288, 288, 320, padding),
        ),
    )


def _residual_a(first: int, second: int, third: int) -> Branches:
    return {
        "branch1": (Conv(first),),
        "branch2": (Conv(first), Conv(first, 3)),
        "branch3": (Conv(first), Conv(second, 3), Conv(third, 3)),
    }


def _residual_factorized(
    single: int, reduced: Conv, pair: tuple[Conv, Conv]
) -> Branches:
    return {"branch1": (Conv(single),), "branch2": (reduced, *pair)}


def _residual_reduction_b(
    short: int, first: int, second: int, padding: Padding
) -> Branches:
    return {
        "branch1": (Conv(256), Conv(384, 3, 2, padding)),
        "branch2": (Conv(256), Conv(short, 3, 2, padding)),
        "branch3": (Conv(256), Conv(first, 3), Conv(second, 3, 2, padding)),
        "branch4": (Pool("max", strides=2, padding=padding),),
    }
