"""Dropout that costs little with XLA too."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfmodels")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, which says that its numbers are Philox's.

    They are with Keras too, which leaves the choice to TensorFlow. With XLA that costs:
    what is made of the seed first is made anew for each number, which can take longer
    than the rest of a step.
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
