"""Dropout that costs no more with XLA than without."""

from typing import Any

import keras
import tensorflow as tf


class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, whose numbers are Philox's wherever it runs.

    Keras leaves the choice to TensorFlow, which takes ThreeFry with XLA: operations
    that are fused into, and done anew by, everything that reads a mask. Without XLA
    the numbers are those of Keras.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops numbers of any shape, in training; what is kept grows."""
        if not training or not self.rate:
            return inputs
        # What Keras makes of its seeds.
        seed = tf.math.floormod(self.seed_generator.next(), tf.int32.max - 1)
        return tf.nn.experimental.stateless_dropout(
            inputs,
            self.rate,
            tf.cast(seed, tf.int32),
            rng_alg="philox",
            noise_shape=self.noise_shape,
        )
