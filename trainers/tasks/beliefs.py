"""What is believed of varieties before anything is heard, always or by time."""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfmodels.audio.log_mel import FRAMES_PER_SECOND
from tfmodels.errors import ConfigError
from trainers.tasks.config import SpeechRecognitionConfig


class Beliefs:
    """How likely varieties are before anything is heard.

    Args:
      shares: float32 [n + 1, K], of varieties: at first, and from each change on.
      frames: n frames in which they change, in order.
    """

    def __init__(self, shares: np.ndarray, frames: Sequence[int] = ()) -> None:
        self._shares, self._frames = shares, np.array(frames, np.int32)
        self.change = len(frames) > 0
        """Whether they are others in some frames than in others."""

    def at(self, frame: int) -> np.ndarray:
        """The shares of varieties in a frame, float32 [K]."""
        return self._shares[np.searchsorted(self._frames, frame, side="right")]

    @property
    def possible(self) -> np.ndarray:
        """Varieties that may be found in some frame, bool [K]."""
        return np.asarray(self._shares.max(axis=0) > 0)

    def of(
        self, features: tf.Tensor, lengths: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What an encoder is told, and what is believed of whole utterances.

        Args:
          features: [b, T, D].
          lengths: int32 [b], frames that are there.

        Returns:
          float32 [b, K], or [b, T, K] if they change; and float32 [b, K], the mean over
          the frames.
        """
        rows, shares = tf.shape(features)[0], tf.constant(self._shares)
        if not self.change:
            told = tf.repeat(shares, rows, axis=0)
            return told, told
        frames = tf.range(tf.shape(features)[1])
        reached = tf.cast(frames[:, None] >= self._frames[None], tf.int32)
        told = tf.gather(shares, tf.reduce_sum(reached, 1))
        there = tf.cast(frames[None] < lengths[:, None], tf.float32)
        total = tf.maximum(tf.reduce_sum(there, 1, keepdims=True), 1)
        return tf.repeat(told[None], rows, axis=0), tf.matmul(there / total, told)


def configured(config: SpeechRecognitionConfig, names: Sequence[str]) -> Beliefs:
    """What a configuration says is believed.

    Args:
      config: has `believed`, and what is believed from some second on.
      names: of the varieties, K.

    Raises:
      ConfigError: something is believed of a variety that there is not.
    """
    changes = sorted(config.believed_from.items())
    shares = [
        _shares(names, config.believed, "task.believed"),
        *(_shares(names, each, "task.believed_from") for _, each in changes),
    ]
    frames = [round(second * FRAMES_PER_SECOND) for second, _ in changes]
    return Beliefs(np.stack(shares), frames)


def _shares(
    names: Sequence[str], believed: Mapping[str, float], key: str
) -> np.ndarray:
    unknown = set(believed) - set(names)
    if unknown:
        raise ConfigError(
            f"{key} names varieties that the data have not. Expected some of"
            f" {', '.join(names)}. Received {', '.join(sorted(unknown))}."
        )
    given = believed or dict.fromkeys(names, 1.0)
    shares = np.array([given.get(name, 0.0) for name in names])
    return (shares / shares.sum()).astype(np.float32)
