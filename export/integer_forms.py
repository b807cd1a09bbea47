"""Layers in forms that integers can compute, with the weights of those they replace."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfmodels.layers.attention import CausalAttention

# exp(-12) is below the step of an int8 softmax, 1 / 256, for more than 500 positions.
_FAR = 12.0


class IntegerLayerNormalization(keras.layers.LayerNormalization):
    """Keras's, without the negation, which TFLite has for floating point only."""

    def call(self, inputs: Any) -> Any:
        """Returns a tensor like the input, normalised along ``axis``."""
        centred = inputs - ops.mean(inputs, self.axis, keepdims=True)
        variance = ops.mean(centred * centred, self.axis, keepdims=True)
        return centred * ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta


class IntegerRMSNormalization(keras.layers.RMSNormalization):
    """Keras's, without the square, which TFLite has for floating point only."""

    def call(self, x: Any) -> Any:
        """Returns a tensor like the input, divided by its root mean square."""
        square = ops.mean(x * x, self.axis, keepdims=True)
        return x * ops.rsqrt(square + self.epsilon) * self.scale


class IntegerEmbedding(keras.layers.ReversibleEmbedding):
    """Keras's, for tokens that are not negative: without a comparison of integers."""

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Returns vectors of tokens, or scores of tokens from vectors."""
        if reverse:
            return super().call(inputs, reverse=True)
        return tf.gather(self.embeddings, inputs)


class IntegerAttention(CausalAttention):
    """Attention whose mask leaves a quantizer a range that it can resolve.

    One scale must hold the scores and what hides the future ones. -1e9 would leave
    nothing of the scores.
    """

    def hide_future(self, scores: Any, past: Any) -> Any:
        """Shifts the scores of a row above 0, which is put in place of the future's."""
        lowest = ops.min(scores, axis=-1, keepdims=True)
        return (scores - lowest + _FAR) * ops.cast(past, scores.dtype)


INTEGER_FORMS: dict[type, Any] = {
    keras.layers.LayerNormalization: IntegerLayerNormalization,
    keras.layers.RMSNormalization: IntegerRMSNormalization,
    keras.layers.ReversibleEmbedding: IntegerEmbedding,
    CausalAttention: IntegerAttention,
}
"""What replaces a layer before it is quantized."""
