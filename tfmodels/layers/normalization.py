"""Normalisation layers that Keras does not have."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfmodels")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each channel by a power of the energy of its neighbours.

    ``b[i] = a[i] / (bias + alpha / size * sum_j a[j] ** 2) ** beta`` over the `size`
    channels around i, as published (arXiv 1409.4842 and its Caffe reproduction);
    TensorFlow's operation of the same name does not divide alpha by the size.

    Args:
      size: number of channels in a neighbourhood, odd.
      alpha: weight of the mean energy.
      beta: exponent.
      bias: added before the power (k in the literature).
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: float [B, H, W, C]; computed in float32 whatever its type.
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        bias: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.bias = bias

    def call(self, inputs: Any) -> Any:
        """Returns a tensor like `inputs`."""
        normalized = tf.nn.local_response_normalization(
            tf.cast(inputs, tf.float32),
            depth_radius=self.size // 2,
            bias=self.bias,
            alpha=self.alpha / self.size,
            beta=self.beta,
        )
        return tf.cast(normalized, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "bias": self.bias,
        }
