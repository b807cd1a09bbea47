"""The graphs of Inception-v4, Inception-ResNet-v1 and Inception-ResNet-v2."""

from collections.abc import Callable

import keras

from tfmodels.classification.model import ImageClassifier
from tfmodels.classification.sequence import SubnetworkSequence
from tfmodels.inception_v4 import blocks
from tfmodels.inception_v4.config import BlockCounts
from tfmodels.inception_v4.config import InceptionConfig
from tfmodels.inception_v4.config import InceptionResNetConfig
from tfmodels.inception_v4.config import InceptionResNetV1Config
from tfmodels.inception_v4.config import InceptionResNetV2Config
from tfmodels.inception_v4.config import InceptionV4Config
from tfmodels.layers.branches import Branches
from tfmodels.layers.branches import unstrided
from tfmodels.layers.convolution import Conv
from tfmodels.layers.convolution import Padding
from tfmodels.layers.convolution import Units


def inception_v4(config: InceptionV4Config) -> ImageClassifier:
    """Builds Inception-v4 (arXiv 1602.07261, figure 9).

    Endpoints: conv1-3, stem1-3, a1 ..., reduction_a, b1 ..., reduction_b, c1 ..., pool,
    logits and aux.

    Args:
      config: the sizes.

    Returns:
      A model of float32 [B, H, W, C] images, with ``logits`` and ``aux_logits``.
    """
    network = _sequence(config)
    padding = config.padding
    released = config.factorization == "released"
    _inception_v4_stem(network, config, tall_first=not released)
    count_a, count_b, count_c = config.block_counts
    for number in range(1, count_a + 1):
        network.inception(f"a{number}", blocks.inception_a())
    _reduce(network, config, "a", blocks.reduction_a(192, 224, 256, 384, padding))
    for number in range(1, count_b + 1):
        network.inception(f"b{number}", blocks.inception_b(tall_first=released))
    _reduce(network, config, "b", blocks.reduction_b(padding))
    for number in range(1, count_c + 1):
        network.inception(f"c{number}", blocks.inception_c(tall_first=released))
    return _classifier(network, config, f"b{count_b}")


def inception_resnet_v1(config: InceptionResNetV1Config) -> ImageClassifier:
    """Builds Inception-ResNet-v1 (arXiv 1602.07261, figure 15).

    Endpoints: conv1-3, pool1, conv4-6, and from a1 on those of `inception_v4`.

    Args:
      config: the sizes.

    Returns:
      A model of float32 [B, H, W, C] images, with ``logits`` and ``aux_logits``.
    """
    network = _sequence(config)
    if config.stem == "standard":
        _plain_stem(network, config)
        network.convolve("conv6", Conv(256, 3, 2, config.padding))
    else:
        _inception_v4_stem(network, config, tall_first=True)
    _residual_stages(network, config, config.block_counts, blocks.resnet_v1)
    return _classifier(network, config, f"b{config.block_counts[1]}")


def inception_resnet_v2(config: InceptionResNetV2Config) -> ImageClassifier:
    """Builds Inception-ResNet-v2, released or as drawn (arXiv 1602.07261, figure 15).

    Endpoints: those of `inception_v4`. As released, the stem's are conv1-3, pool1,
    conv4-5, pool2, mixed, and conv6 stands before pool.

    Args:
      config: the wiring and the sizes.

    Returns:
      A model of float32 [B, H, W, C] images, with ``logits`` and ``aux_logits``.
    """
    network = _sequence(config)
    released = config.wiring == "released"
    if released and config.stem == "standard":
        _plain_stem(network, config)
        _max_pool(network, config, "pool2")
        network.inception("mixed", blocks.released_stem_mixed())
    else:
        _inception_v4_stem(network, config, tall_first=True)
    _residual_stages(
        network, config, config.block_counts, blocks.resnet_v2, linear_end=released
    )
    if released:
        network.convolve("conv6", Conv(1536))
    return _classifier(network, config, f"b{config.block_counts[1]}")


def _sequence(config: InceptionConfig) -> SubnetworkSequence:
    return SubnetworkSequence(config, Units(config.batch_norm, config.width, "he"))


def _inception_v4_stem(
    network: SubnetworkSequence, config: InceptionConfig, tall_first: bool
) -> None:
    if config.stem == "small":
        _three_convolutions(network, strides=1, padding="same")
        network.inception("stem2", blocks.stem_factorized("same", tall_first))
        network.inception("stem3", blocks.stem_widening(1, "same"))
        return
    padding = config.padding
    _three_convolutions(network, strides=2, padding=padding)
    network.inception("stem1", blocks.stem_entry(padding))
    network.inception("stem2", blocks.stem_factorized(padding, tall_first))
    network.inception("stem3", blocks.stem_widening(2, padding))


def _plain_stem(network: SubnetworkSequence, config: InceptionConfig) -> None:
    _three_convolutions(network, strides=2, padding=config.padding)
    _max_pool(network, config, "pool1")
    network.convolve("conv4", Conv(80))
    network.convolve("conv5", Conv(192, 3, padding=config.padding))


def _three_convolutions(
    network: SubnetworkSequence, strides: int, padding: Padding
) -> None:
    network.convolve("conv1", Conv(32, 3, strides, padding))
    network.convolve("conv2", Conv(32, 3, padding=padding))
    network.convolve("conv3", Conv(64, 3))


def _max_pool(network: SubnetworkSequence, config: InceptionConfig, name: str) -> None:
    pool = keras.layers.MaxPooling2D(3, 2, config.padding, name=name)
    network.append(name, pool(network.output))


def _residual_stages(
    network: SubnetworkSequence,
    config: InceptionResNetConfig,
    block_counts: BlockCounts,
    tables: Callable[[Padding, bool], blocks.ResidualTables],
    linear_end: bool = False,
) -> None:
    table = tables(config.padding, config.factorization == "nx1_first")
    stages = zip("abc", table.blocks, block_counts, config.residual_scales, strict=True)
    for (stage, branches, count, scale), reduction in zip(
        stages, (*table.reductions, None), strict=True
    ):
        for number in range(1, count + 1):
            linear = linear_end and stage == "c" and number == count
            network.residual(
                f"{stage}{number}",
                branches,
                scale=1.0 if linear else scale,
                activate=not linear,
            )
        if reduction is not None:
            _reduce(network, config, stage, reduction)


def _reduce(
    network: SubnetworkSequence, config: InceptionConfig, stage: str, branches: Branches
) -> None:
    """Ends a stage by halving the map, or, where it is not to be, by dilation."""
    stride = config.stem_stride * {"a": 2, "b": 4}[stage]
    name = f"reduction_{stage}"
    if config.output_stride is None or stride <= config.output_stride:
        network.inception(name, branches)
        return
    network.inception(name, unstrided(branches))
    network.dilate()


def _classifier(
    network: SubnetworkSequence, config: InceptionConfig, attach: str
) -> ImageClassifier:
    network.classify()
    if config.auxiliary_head is not None:
        x = network.head_map("aux", attach, config.auxiliary_head)
        if config.auxiliary_head.hidden is not None:
            whole_map = Conv(
                config.auxiliary_head.hidden, x.shape[1:3], padding="valid"
            )
            x = network.units.convolution(x, whole_map, "aux_hidden")
        x = keras.layers.Flatten(name="aux_flatten")(x)
        network.add_head("aux", x)
    return network.classifier()
