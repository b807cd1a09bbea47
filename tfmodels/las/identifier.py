"""The identifier d: what layers are told of the variety."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.las.config import LASConfig
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value


class Identifier(keras.layers.Layer):
    """From a vector over varieties to the identifier.

    Args:
      config: the model's.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: LASConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        told = config.conditioning
        self._source = told.identifier if told else None
        if told and told.identifier != "onehot":
            self.embedding = self.add_weight(
                shape=(config.num_varieties, config.identifier_dim),
                initializer=keras.initializers.RandomNormal(0, 1),
                name="embedding",
            )
        self.built = True

    def of(self, variety: tf.Tensor) -> tf.Tensor | None:
        """The identifier, floating-point [..., p]; None if no layer is told it.

        Args:
          variety: floating-point [..., K], shares of all varieties.
        """
        if self._source in (None, "onehot"):
            return variety if self._source else None
        embedded = product(variety, value(self.embedding))
        return tf.nn.softmax(embedded) if self._source == "embed_softmax" else embedded
