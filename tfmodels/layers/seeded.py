"""Random numbers of each row of a batch from the row's own seed, in any order.

TensorFlow's own would need a loop over rows, and differ under XLA. These depend on the
row, a stream's number and a place alone: not on the batch, its padding or its replica.
"""

import tensorflow as tf

_GOLDEN = 0x9E3779B9


def uniforms(
    seed: tf.Tensor, stream: int, count: int | tf.Tensor, start: int | tf.Tensor = 0
) -> tf.Tensor:
    """Numbers from 0 to 1, 1 not included, float32 [b, count].

    The mixing is Wellons' `lowbias32`, twice over a counter.

    Args:
      seed: int64 [b, 2], each from 0 to 2**32 - 1.
      stream: what the numbers are for.
      count: how many.
      start: place of the first in the stream.
    """
    keys = tf.cast(seed % 2**32, tf.uint32)
    first = _mixed(
        tf.bitwise.bitwise_xor(
            keys[:, 0], tf.constant(stream * _GOLDEN % 2**32, tf.uint32)
        )
    )
    second = _mixed(tf.bitwise.bitwise_xor(keys[:, 1], first))
    places = tf.cast(tf.range(count) + start, tf.uint32)
    places *= tf.constant(_GOLDEN, tf.uint32)
    bits = _mixed(places[None] + first[:, None])
    bits = _mixed(tf.bitwise.bitwise_xor(bits, second[:, None]))
    # 24 bits are what float32 holds exactly.
    return tf.cast(_right(bits, 8), tf.float32) * 2.0**-24


def normals(seed: tf.Tensor, stream: int, count: int) -> tf.Tensor:
    """Standard normal numbers, float32 [b, count]; see `uniforms`."""
    radius, angle = tf.split(uniforms(seed, stream, 2 * count), 2, axis=-1)
    radius = tf.sqrt(-2 * tf.math.log(1 - radius))
    return radius * tf.cos(2 * 3.14159265 * angle)


def kept(
    seed: tf.Tensor,
    stream: int,
    shape: tuple[int | tf.Tensor, int],
    rate: float,
    start: int | tf.Tensor = 0,
) -> tf.Tensor:
    """Factors of dropout, 0 or ``1 / (1 - rate)``, float32 [b, steps, width].

    Args:
      seed: see `uniforms`.
      stream: see `uniforms`.
      shape: steps and width.
      rate: share of zeros.
      start: number of the first step.
    """
    steps, width = shape
    drawn = uniforms(seed, stream, steps * width, start * width)
    factors = tf.cast(drawn >= rate, tf.float32) / (1 - rate)
    return tf.reshape(factors, [tf.shape(seed)[0], steps, width])


def _right(x: tf.Tensor, count: int) -> tf.Tensor:
    return tf.bitwise.right_shift(x, tf.constant(count, tf.uint32))


def _mixed(x: tf.Tensor) -> tf.Tensor:
    x = tf.bitwise.bitwise_xor(x, _right(x, 16)) * tf.constant(0x7FEB352D, tf.uint32)
    x = tf.bitwise.bitwise_xor(x, _right(x, 15)) * tf.constant(0x846CA68B, tf.uint32)
    return tf.bitwise.bitwise_xor(x, _right(x, 16))
