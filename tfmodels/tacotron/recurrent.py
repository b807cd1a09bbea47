"""LSTMs with zoneout: over sequences in both directions, and one step at a time."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.layers.arrays import new_arrays
from tfmodels.layers.arrays import stack
from tfmodels.layers.arrays import write
from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import gated
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.seeded import uniforms


def zoned(new: tf.Tensor, old: tf.Tensor, keep: Any) -> tf.Tensor:
    """New states with a share of the old ones (Krueger et al., arXiv 1606.01305).

    Args:
      new: floating-point [b, H].
      old: floating-point [b, H].
      keep: floating-point [b, H], 1 where the old one stays; or its mean, a number.
    """
    return new + keep * (old - new)


class Bidirectional(keras.layers.Layer):
    """Two LSTMs that read a sequence from its two ends.

    Args:
      width: of the input.
      units: of each direction.
      zoneout_rate: share of states that stay.
      num_biases: see `LSTM`.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self,
        width: int,
        units: int,
        zoneout_rate: float = 0.0,
        num_biases: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._rate = zoneout_rate
        self.ways = []
        for way in ("forward", "backward"):
            layer = LSTM(units, num_biases=num_biases, name=f"{self.name}_{way}")
            layer.build((None, width))
            self.ways.append(layer)
        self.built = True

    def run(
        self, x: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Outputs of both, floating-point [b, T, 2 H], 0 on padding.

        Args:
          x: floating-point [b, T, D].
          mask: floating-point [b, T, 1].
          seed: int64 [b, 2], of states that stay, in training.
        """
        x, mask = (tf.transpose(part, (1, 0, 2)) for part in (x, mask))
        mask = tf.cast(mask, x.dtype)
        forward = self._read(0, x, mask, seed)
        # Padding comes first then, and leaves the state at zero.
        backward = self._read(1, tf.reverse(x, [0]), tf.reverse(mask, [0]), seed)
        both = tf.concat([forward, tf.reverse(backward, [0])], -1) * mask
        return tf.transpose(both, (1, 0, 2))

    def _read(self, way: int, x: Any, mask: Any, seed: Any) -> tf.Tensor:
        layer = self.ways[way]
        if not self._rate:
            return layer.sequence(x, mask).outputs
        units, rate = layer.units, self._rate
        sums = layer.add_biases(product(x, layer.kernel))
        recurrent, steps = value(layer.recurrent_kernel), tf.shape(x)[0]
        first = tf.zeros([tf.shape(x)[1], units], x.dtype)
        if seed is not None:
            drawn = uniforms(seed, 20 + way, steps * 2 * units)
            stay = tf.cast(drawn < rate, x.dtype)
            stay = tf.reshape(stay, [-1, steps, 2, units])
            stay = tf.transpose(stay, (1, 2, 0, 3))

        def body(t: Any, h: Any, c: Any, array: Any) -> Any:
            m, cells, _ = gated(sums[t] + tf.matmul(h, recurrent), c, None, "standard")
            keep = (rate, rate) if seed is None else (stay[t, 0], stay[t, 1])
            h = h + mask[t] * (zoned(m, h, keep[0]) - h)
            c = c + mask[t] * (zoned(cells, c, keep[1]) - c)
            return t + 1, h, c, *write([array], t, [h])

        *_, array = tf.while_loop(
            lambda t, *_: t < steps,
            body,
            (0, first, first, *new_arrays(x, (units,))),
            maximum_iterations=x.shape[0],
        )
        return stack([array], (units,))[0]
