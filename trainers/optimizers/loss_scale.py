"""Scaling of the loss so that small float16 gradients do not vanish."""

from typing import Any

import tensorflow as tf

_GROWTH_INTERVAL = 2000


class LossScale:
    """A factor on the loss, divided out of the gradients again.

    Under ``mixed_float16`` it halves after an update that was not finite and doubles
    after 2000 finite ones (Micikevicius et al., Mixed Precision Training, section 3.2);
    under any other precision it stays 1.
    """

    def __init__(self, precision: str, initial: float) -> None:
        """Creates the variables where the surrounding strategy scope puts them."""
        self._dynamic = precision == "mixed_float16"
        start = initial if self._dynamic else 1.0
        self._scale = tf.Variable(start, trainable=False, dtype=tf.float32)
        self._good_steps = tf.Variable(0, trainable=False, dtype=tf.int64)

    @property
    def value(self) -> tf.Tensor:
        """float32 [], the current factor."""
        return tf.convert_to_tensor(self._scale)

    @property
    def state(self) -> dict[str, Any]:
        """Variables a checkpoint holds."""
        return {
            "loss_scale/factor": self._scale,
            "loss_scale/good_steps": self._good_steps,
        }

    def update(self, finite: tf.Tensor) -> None:
        """Adapts the factor to whether the last update was finite."""
        if not self._dynamic:
            return
        scale = tf.convert_to_tensor(self._scale)
        steps = tf.where(finite, tf.convert_to_tensor(self._good_steps) + 1, 0)
        grow = steps >= _GROWTH_INTERVAL
        grown = tf.where(grow, scale * 2.0, scale)
        self._scale.assign(tf.where(finite, grown, tf.maximum(scale / 2.0, 1.0)))
        self._good_steps.assign(tf.where(grow, tf.zeros_like(steps), steps))
