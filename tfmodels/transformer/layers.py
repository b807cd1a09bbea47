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
