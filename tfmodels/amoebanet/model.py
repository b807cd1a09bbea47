"""The AmoebaNet-D graph: stem, cells that each read the two before them, classifier."""

from collections.abc import Iterator

import keras

from tfmodels.amoebanet.cells import NORMAL
from tfmodels.amoebanet.cells import REDUCTION
from tfmodels.amoebanet.cells import Wiring
from tfmodels.amoebanet.cells import cell
from tfmodels.amoebanet.config import AmoebaNetConfig
from tfmodels.amoebanet.units import PreactivatedUnits
from tfmodels.classification.model import ImageClassifier
from tfmodels.layers.convolution import Conv
from tfmodels.layers.dropout import Dropout


def amoebanet(config: AmoebaNetConfig) -> ImageClassifier:
    """Builds AmoebaNet-D(L, D) (arXiv 1802.01548; arXiv 1811.06965, table 1).

    Endpoints, one for each of the L + 6 items of the sequence: stem, reduction1,
    reduction2, normal1 ... with reduction3 and reduction4 after each third of them, and
    logits. A cell reads the two endpoints before it, and nothing else. Hence those two
    tensors, and no other, cross a cut between two items.

    Args:
      config: the sizes.

    Returns:
      A model of float32 [B, H, W, C] images, with ``logits``.
    """
    units = PreactivatedUnits(config.batch_norm)
    image = keras.Input(config.input_shape, name="image", dtype="float32")
    filters = config.num_filters // 4
    x = units.first_convolution(image, Conv(config.width(filters), 3, 2), "stem")
    endpoints = {"stem": x}
    inputs = (x, x)
    for name, wiring in _cells(config.num_layers):
        if wiring is REDUCTION:
            filters *= 2
        x = cell(inputs, wiring, config.width(filters), units, name)
        endpoints[name] = x
        inputs = (x, inputs[0])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = Dropout(config.dropout_rate, name="dropout")(x)
    logits = keras.layers.Dense(config.num_classes, dtype="float32", name="logits")(x)
    endpoints["logits"] = logits
    return ImageClassifier(
        image, {"logits": logits}, endpoints, config, name=config.kind
    )


def _cells(num_layers: int) -> Iterator[tuple[str, Wiring]]:
    """Names and wirings of all cells, in order."""
    third = num_layers // 3
    yield "reduction1", REDUCTION
    yield "reduction2", REDUCTION
    for number in range(1, num_layers + 1):
        yield f"normal{number}", NORMAL
        if number in (third, 2 * third):
            yield f"reduction{2 + number // third}", REDUCTION
