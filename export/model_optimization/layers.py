"""Layers of ours in tf-keras; the worker alone imports them."""

from typing import Any

import tensorflow as tf
import tf_keras


class ScaledAdd(tf_keras.layers.Layer):
    """See `tfmodels.layers.residual.ScaledAdd`."""

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        """Returns a tensor like the trunk."""
        trunk, branch = inputs
        return trunk + self.scale * branch

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}


class LocalResponseNormalization(tf_keras.layers.Layer):
    """See `tfmodels.layers.normalization.LocalResponseNormalization`."""

    def __init__(
        self, size: int, alpha: float, beta: float, bias: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.bias = bias

    def call(self, inputs: Any) -> Any:
        """Returns a tensor like `inputs`."""
        return tf.nn.local_response_normalization(
            inputs,
            depth_radius=self.size // 2,
            bias=self.bias,
            alpha=self.alpha / self.size,
            beta=self.beta,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        sizes = {"size": self.size, "alpha": self.alpha}
        return {**super().get_config(), **sizes, "beta": self.beta, "bias": self.bias}
