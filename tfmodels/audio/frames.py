"""What is done to sequences of frames before a model: normalizing, context, rate."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfmodels")
class NormalizeUtterance(keras.layers.Layer):
    """Gives every feature mean 0 and variance 1 over each utterance.

    Args:
      epsilon: added to the variance, for features that do not vary.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      features: float [B, T, D].
      lengths: int32 [B], frames before the padding.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, features: Any, lengths: Any) -> Any:
        """Returns a tensor like the features, 0 in the padding."""
        there = tf.range(tf.shape(features)[1]) < lengths[:, None]
        weight = tf.cast(there, features.dtype)[..., None]
        count = tf.maximum(tf.reduce_sum(weight, axis=1, keepdims=True), 1)
        mean = tf.reduce_sum(weight * features, axis=1, keepdims=True) / count
        centred = weight * (features - mean)
        variance = tf.reduce_sum(centred * centred, axis=1, keepdims=True) / count
        return centred * tf.math.rsqrt(variance + self.epsilon)

    def compute_output_shape(self, features_shape: Any, lengths_shape: Any) -> Any:
        """The features' shape."""
        return features_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("tfmodels")
class ExtendEdges(keras.layers.Layer):
    """Repeats an utterance's first and last frame, so that all its frames have context.

    The last frame fills up all that follows it; what a model makes of an utterance then
    does not depend on the padding of its batch.

    Args:
      left: frames more at the beginning.
      right: frames more at the end.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      features: float [B, T, D].
      lengths: int32 [B], frames before the padding.
    """

    def __init__(self, left: int, right: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.left = left
        self.right = right

    def call(self, features: Any, lengths: Any) -> Any:
        """Returns float [B, left + T + right, D]."""
        frame = tf.range(-self.left, tf.shape(features)[1] + self.right)
        last = tf.maximum(lengths[:, None] - 1, 0)
        index = tf.maximum(tf.minimum(frame[None], last), 0)
        return tf.gather(features, index, batch_dims=1)

    def compute_output_shape(self, features_shape: Any, lengths_shape: Any) -> Any:
        """The features' shape, but for the longer time."""
        batch, time, width = features_shape
        longer = None if time is None else self.left + time + self.right
        return (batch, longer, width)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "left": self.left, "right": self.right}


@keras.saving.register_keras_serializable("tfmodels")
class Splice(keras.layers.Layer):
    """Puts frames at some offsets from each other side by side.

    Output frame t holds the input frames ``stride t - min(offsets) + offset``: it has
    none whose context is not there. `ExtendEdges` gives all of them context.

    Args:
      offsets: distances in frames, in the order in which they stand side by side.
      stride: input frames between two output frames.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      features: float [B, T, D].
    """

    def __init__(self, offsets: Sequence[int], stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.offsets = tuple(offsets)
        self.stride = stride

    @property
    def span(self) -> int:
        """Frames from the first that an output frame sees to the last, less one."""
        return max(self.offsets) - min(self.offsets)

    def call(self, features: Any) -> Any:
        """Returns float [B, ceil((T - span) / stride), D * len(offsets)]."""
        end = tf.shape(features)[1] - self.span
        starts = [offset - min(self.offsets) for offset in self.offsets]
        frames = [features[:, s : s + end : self.stride] for s in starts]
        return tf.concat(frames, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See `call`."""
        batch, time, width = input_shape
        if time is not None:
            time = -(-(time - self.span) // self.stride)
        return (batch, time, width * len(self.offsets))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "offsets": self.offsets, "stride": self.stride}
