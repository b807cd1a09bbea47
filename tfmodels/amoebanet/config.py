"""Configuration of AmoebaNet-D(L, D): every size, and where it is from."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.classification.config import ImageClassifierConfig
from tfmodels.classification.config import PositiveInt
from tfmodels.classification.config import Rate


class AmoebaNetConfig(ImageClassifierConfig):
    """AmoebaNet-D(L, D) (arXiv 1802.01548; sizes of arXiv 1811.06965, table 1).

    The defaults are the network of GPipe's throughput benchmark, (18, 256), which has
    122,470,120 trainable weights at 1000 classes.
    """

    kind: Literal["amoebanet"] = "amoebanet"
    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (224, 224, 3)
    dropout_rate: Rate = 0.0
    num_layers: int = pydantic.Field(default=18, ge=3, multiple_of=3)
    """L: normal cells, a third of them at each of three resolutions."""
    num_filters: int = pydantic.Field(default=256, ge=8, multiple_of=8)
    """D: the stem has D/4 filters; each of the four reduction cells doubles that."""

    def without_training_heads(self) -> Self:
        """The network itself: it has none."""
        return self
