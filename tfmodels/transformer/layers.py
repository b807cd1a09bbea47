"""Parts of the Transformer alone: positions, and logits of bounded magnitude."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("tfmodels")
class LearnedPositions(keras.layers.Layer):
    """Adds a trained vector to each position (arXiv 1705.03122, section 3.1).

    Args:
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: float [B, T, d] with a fixed T.
    """

    def build(self, input_shape: Any) -> None:
        """Makes the vectors, float32 [T, d]."""
        self.positions = self.add_weight(
            shape=input_shape[1:],
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="positions",
        )

    def call(self, inputs: Any) -> Any:
        """Returns a tensor like the input."""
        return inputs + self.positions

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


@keras.saving.register_keras_serializable("tfmodels")
class SinusoidalPositions(keras.layers.Layer):
    """Scales embeddings by ``sqrt(d)`` and adds waves of all lengths to them.

    ``sin(t / 10000^(2i/d))`` at the even channel 2i and the cosine of the same at the
    odd channel after it (arXiv 1706.03762, sections 3.4 and 3.5).

    Args:
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: float [B, T, d] with a fixed T.
    """

    def call(self, inputs: Any) -> Any:
        """Returns a tensor like the input."""
        length, width = inputs.shape[1:]
        waves = ops.convert_to_tensor(sinusoids(length, width), inputs.dtype)
        return inputs * width**0.5 + waves

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


@keras.saving.register_keras_serializable("tfmodels")
class RotaryPositions(keras.layers.Layer):
    """Turns each pair of channels by an angle that grows with the position.

    The pair (2i, 2i + 1) of a head of h channels at position t is turned by
    ``t 10000^(-2i / h)`` (arXiv 2104.09864, section 3.2.2).

    Args:
      head_dim: h, even.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: float [B, T, heads * h], with a fixed T unless places are given.
      places: int32 [T], positions; 0, 1, 2 ... when absent.
    """

    def __init__(self, head_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.head_dim = head_dim

    def call(self, inputs: Any, places: Any = None) -> Any:
        """Returns a tensor like the input."""
        half, width = self.head_dim // 2, inputs.shape[-1]
        rates = 10_000.0 ** (-np.arange(half, dtype=np.float32) / np.float32(half))
        if places is None:
            places = np.arange(inputs.shape[1])
        angles = ops.cast(places, "float32")[:, None] * ops.convert_to_tensor(rates)
        # [T, 1, h / 2, 1], against [B, T, heads, h / 2] of each channel of the pairs.
        angles = angles[:, None, :, None]
        cosine = ops.cast(ops.cos(angles), inputs.dtype)
        sine = ops.cast(ops.sin(angles), inputs.dtype)
        length = ops.shape(inputs)[1]
        pairs = ops.reshape(inputs, (-1, length, width // self.head_dim, half, 2))
        first, second = pairs[..., :1], pairs[..., 1:]
        turned = ops.concatenate(
            [first * cosine - second * sine, first * sine + second * cosine], axis=-1
        )
        return ops.reshape(turned, (-1, length, width))

    def compute_output_shape(self, inputs_shape: Any, places_shape: Any = None) -> Any:
        """The input's shape."""
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "head_dim": self.head_dim}


@keras.saving.register_keras_serializable("tfmodels")
class RMSNormalization(keras.layers.RMSNormalization):
    """Keras' own, with the gain where TFLite's converter cannot merge it with weights.

    A last product ``x * gain`` becomes part of each matrix that reads it: matrices are
    then other ones than those that were trained, and a table that also embeds tokens is
    stored twice.
    """

    def call(self, x: Any) -> Any:
        """Returns ``x (gain / sqrt(mean(x^2) + epsilon))``, computed in float32."""
        wide = ops.cast(x, "float32")
        square = ops.mean(ops.square(wide), axis=self.axis, keepdims=True)
        gain = ops.cast(self.scale, "float32") * ops.rsqrt(square + self.epsilon)
        return ops.cast(wide * gain, self.compute_dtype)


@keras.saving.register_keras_serializable("tfmodels")
def gelu_tanh(x: Any) -> Any:
    """``x Phi(x)``, with the tanh of arXiv 1606.08415, section 2, for Phi."""
    return keras.activations.gelu(x, approximate=True)


def sinusoids(length: int, width: int) -> np.ndarray:
    """The waves of `SinusoidalPositions`, float32 [length, width]."""
    channel = np.arange(width)
    angle = np.arange(length)[:, None] / 10_000.0 ** ((channel - channel % 2) / width)
    waves = np.where(channel % 2, np.cos(angle), np.sin(angle))
    return waves.astype(np.float32)


@keras.saving.register_keras_serializable("tfmodels")
class Logits(keras.layers.Layer):
    """Ends a model: scores in the layer's own dtype, of a bounded magnitude if wanted.

    Args:
      clip: largest magnitude (GPipe, section 5), or None.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: float [..., K].
    """

    def __init__(self, clip: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clip = clip

    def call(self, inputs: Any) -> Any:
        """Returns a tensor of the input's shape."""
        scores = ops.cast(inputs, self.compute_dtype)
        return scores if self.clip is None else ops.clip(scores, -self.clip, self.clip)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "clip": self.clip}
