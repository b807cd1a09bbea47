"""The GoogLeNet graph: stem, inception modules, side classifiers, output layer."""

import keras

from tfmodels.classification.model import ImageClassifier
from tfmodels.classification.sequence import SubnetworkSequence
from tfmodels.googlenet.config import GoogLeNetConfig
from tfmodels.googlenet.config import InceptionModule
from tfmodels.layers.branches import Branch
from tfmodels.layers.branches import Branches
from tfmodels.layers.convolution import Conv
from tfmodels.layers.convolution import Pool
from tfmodels.layers.convolution import Units
from tfmodels.layers.dropout import Dropout
from tfmodels.layers.normalization import LocalResponseNormalization


def googlenet(config: GoogLeNetConfig) -> ImageClassifier:
    """Builds GoogLeNet (arXiv 1409.4842, table 1 and section 5).

    Endpoints: conv1, pool1, conv2, pool2 (the small stem has no pools), 3a ... 5b with
    pool3 and pool4 between, pool, logits, and aux1, aux2, ... for the side classifiers.

    Args:
      config: the variant and its sizes.

    Returns:
      A model of float32 [B, H, W, C] images, with ``logits`` and ``aux<n>_logits``.
    """
    network = SubnetworkSequence(
        config, Units(config.batch_norm, config.width, config.initialization)
    )
    if config.stem == "standard":
        _standard_stem(network, config)
    else:
        _small_stem(network)
    for number, (names, modules) in enumerate(
        zip(config.module_names, config.stages, strict=True)
    ):
        if number > 0:
            last = number == len(config.stages) - 1
            size = config.last_pool_size if last else 3
            stride = config.stem_stride * 2**number
            if config.output_stride is not None and stride > config.output_stride:
                name = f"pool{number + 2}"
                pool = keras.layers.MaxPooling2D(size, 1, "same", name=name)
                network.append(name, pool(network.output))
                network.dilate()
            else:
                _max_pool(network, config, f"pool{number + 2}", size)
        for name, module in zip(names, modules, strict=True):
            network.inception(name, module_branches(module, config.third_kernel))
    network.classify()
    _side_heads(network, config)
    return network.classifier()


def module_branches(module: InceptionModule, third_kernel: int) -> Branches:
    """The paths of a module: branch1 to branch4 are 1x1, 3x3, 5x5 and pool.

    Args:
      module: which paths there are, and their widths.
      third_kernel: kernel of the 5x5 group.
    """
    branches: dict[str, Branch] = {}
    if module.pass_through:
        branches["branch1"] = (Conv(module.pass_through, module.pass_through_kernel),)
    if module.group_3x3:
        reduced, filters = module.group_3x3
        branches["branch2"] = (Conv(reduced), Conv(filters, 3))
    if module.group_5x5:
        reduced, filters = module.group_5x5
        branches["branch3"] = (Conv(reduced), Conv(filters, third_kernel))
    if module.pool_projection:
        branches["branch4"] = (Pool("max"), Conv(module.pool_projection))
    return branches


def _standard_stem(network: SubnetworkSequence, config: GoogLeNetConfig) -> None:
    units = network.units
    if config.symmetric_padding:
        padded = keras.layers.ZeroPadding2D(3, name="conv1_pad")(network.output)
        conv1 = units.convolution(padded, Conv(64, 7, 2, "valid"), "conv1")
        network.append("conv1", conv1)
    else:
        network.convolve("conv1", Conv(64, 7, 2))
    # The two normalisations stand on different sides of their pools, as drawn.
    _max_pool(network, config, "pool1", 3, normalize=config.local_response_norm)
    reduced = units.convolution(network.output, Conv(64), "conv2_reduce")
    conv2 = units.convolution(reduced, Conv(192, 3), "conv2")
    if config.local_response_norm:
        conv2 = LocalResponseNormalization(name="conv2_lrn")(conv2)
    network.append("conv2", conv2)
    _max_pool(network, config, "pool2", 3)


def _small_stem(network: SubnetworkSequence) -> None:
    network.convolve("conv1", Conv(64, 3))
    reduced = network.units.convolution(network.output, Conv(64), "conv2_reduce")
    network.append("conv2", network.units.convolution(reduced, Conv(192, 3), "conv2"))


def _max_pool(
    network: SubnetworkSequence,
    config: GoogLeNetConfig,
    name: str,
    size: int,
    normalize: bool = False,
) -> None:
    x = network.output
    padding = "same"
    if config.symmetric_padding:
        ends = [max(size - side, (size - side) % 2) for side in x.shape[1:3]]
        # Zeros stand for "nothing" in a maximum of what a ReLU let through.
        if any(ends):
            borders = tuple((0, end) for end in ends)
            x = keras.layers.ZeroPadding2D(borders, name=f"{name}_pad")(x)
        padding = "valid"
    x = keras.layers.MaxPooling2D(size, 2, padding, name=name)(x)
    if normalize:
        x = LocalResponseNormalization(name=f"{name}_lrn")(x)
    network.append(name, x)


def _side_heads(network: SubnetworkSequence, config: GoogLeNetConfig) -> None:
    for number, head in enumerate(config.heads, start=1):
        name = f"aux{number}"
        x = network.head_map(name, head.attach, head)
        x = keras.layers.Flatten(name=f"{name}_flatten")(x)
        x = network.units.dense(x, head.hidden, f"{name}_hidden")
        x = Dropout(head.dropout_rate, name=f"{name}_dropout")(x)
        network.add_head(name, x)
